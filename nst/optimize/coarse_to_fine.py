"""What optimized pictures and videos share: targets, the way down, from coarse to fine."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nst.core.tensors import fit, resize, size_of
from nst.errors import InputError
from nst.losses.perceptual import total_variation
from nst.models.vgg import VGGFeatures, check_layers
from nst.optimize.memory import Plan, plan_memory
from nst.optimize.objective import (
    FeatureTarget,
    Objective,
    StyleTarget,
    picture_features,
)
from nst.optimize.optimizers import Step, adam, lbfgs
from nst.optimize.style_targets import style_target
from nst.options.optimize import OptimizeOptions
from nst.options.stylize import PictureConfig, VideoConfig

PATIENCE = 10  # steps that early stopping looks back
COARSEST = 128
MIN_SIDE = 32  # of a picture and of a frame


def scale_sizes(size: tuple[int, int], scales: int | None) -> list[tuple[int, int]]:
    """Return the sizes of coarse-to-fine work, the last one the full size.

    >>> scale_sizes((384, 512), None)
    [(96, 128), (192, 256), (384, 512)]
    """
    long_side = max(size)
    if scales is None:
        scales = 1
        while long_side / 2**scales >= 0.75 * COARSEST and min(size) / 2**scales >= 48:
            scales += 1
    return [fit(size, round(long_side / 2**i)) for i in reversed(range(scales))]


def build_objective(
    vgg: VGGFeatures,
    content: Tensor,
    style: StyleTarget,
    options: OptimizeOptions,
    plan: Plan,
    more_features: Sequence[FeatureTarget] = (),
    more_terms: dict[str, Callable[[Tensor], Tensor]] | None = None,
) -> Objective:
    """Return the loss of a picture of this content (1, 3, H, W) in this style."""
    # Through the same path as the picture: in bfloat16 the loss would begin as noise otherwise.
    features = picture_features(vgg, content, options.content_layers, plan.tile)
    share = options.content_weight / len(features)
    targets = [FeatureTarget("content", layer, v, share) for layer, v in features.items()]
    terms = {"tv": lambda image: options.tv_weight * total_variation(image).sum()}
    return Objective(
        vgg,
        style,
        options.style_weight,
        [*targets, *more_features],
        {**terms, **(more_terms or {})},
        plan.tile,
        plan.recompute,
    )


def paint(
    objective: Objective, image: Tensor, options: OptimizeOptions, steps: int, plan: Plan
) -> Iterator[Step]:
    """Go down for so many steps or, with --tolerance, until they hardly pay.

    Raises:
        InputError: the loss is no number; what was yielded before is good.
    """
    if options.optimizer == "lbfgs":
        way = lbfgs(objective, image, plan.history)
    else:
        way = adam(objective, image, options.learning_rate)
    lowest: deque[float] = deque([float("inf")], maxlen=PATIENCE + 1)
    for number, step in zip(range(steps), way, strict=False):
        total = step.total
        if not total < float("inf"):
            raise InputError(
                f"the loss is no number at step {number + 1}: give --precision float32, a lower "
                "--style-weight or --learning-rate"
            )
        yield step
        lowest.append(min(total, lowest[-1]))  # a point that L-BFGS only tries may lie higher
        if len(lowest) > PATIENCE and lowest[0] - lowest[-1] < options.tolerance * lowest[0]:
            return


@dataclass(frozen=True)
class Sources:
    """What a picture is made from: images (1, 3, H, W) and masks (1, 1, H, W) of any size."""

    content: Tensor
    styles: list[Tensor]
    content_masks: list[Tensor] = field(default_factory=list)
    style_masks: list[Tensor] = field(default_factory=list)


@dataclass(frozen=True)
class ScaleStep:
    """A step of the whole way; `size` is the scale's, and so is the image's."""

    size: tuple[int, int]
    step: Step
    plan: Plan


def optimize_image(
    sources: Sources,
    vgg: VGGFeatures,
    options: OptimizeOptions,
    start: Tensor,
    recolor: bool = False,
) -> Iterator[ScaleStep]:
    """Paint `sources.content` at its own size, coarse to fine, and yield every step on the way.

    Args:
        vgg: its device and dtype are those of the work.
        start: the image to begin from, of any size.
        recolor: give the styles the content's colors first.
    """
    weight = vgg.weight
    device = weight.device
    image, before = start.to(device), None
    masks, style_masks = None, [mask.to(device) for mask in sources.style_masks]
    styles = [style.to(device) for style in sources.styles]
    for size in scale_sizes(size_of(sources.content), options.scales):
        content = resize(sources.content, size).to(device)
        plan = plan_memory(size, options, device, weight.dtype)
        if sources.content_masks:
            masks = torch.cat([resize(m, size)[:, 0] for m in sources.content_masks]).to(device)
        colors = content if recolor else None
        target = style_target(
            vgg, styles, max(size), options, colors, masks, style_masks, plan.tile
        )
        objective = build_objective(vgg, content, target, options, plan)
        if before is not None:  # what the last scale could not see is the content's own
            image = (resize(image, size) + content - resize(before, size)).clamp(0, 1)
        image, before = resize(image, size), content
        for step in paint(objective, image, options, options.steps, plan):
            yield ScaleStep(size, step, plan)
            image = step.image


def noise_like(content: Tensor, seed: int) -> Tensor:
    """Return uniform noise (1, 3, H, W) in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(content.shape, generator=generator).to(content)


def check_styles(options: PictureConfig | VideoConfig, regions: int = 0) -> None:
    """Refuse styles that cannot be optimized: none, layers unknown, or numbers that do not match.

    Raises:
        InputError: says what is missing or which numbers differ.
    """
    if not options.style_path:
        raise InputError("--method optimize needs --style-path: one or several pictures")
    check_layers((*options.style_layers, *options.content_layers))
    count = len(options.style_path)
    wanted = regions or count
    if options.blend and len(options.blend) != wanted:
        raise InputError(f"--blend has {len(options.blend)} numbers; there are {wanted} styles")
    if options.blend and not sum(options.blend):
        raise InputError("--blend are all 0: give one of them more")
    if regions and count not in (1, regions):
        raise InputError(
            f"--content-mask has {regions} pictures and --style-path {count}: "
            "give one style for each region, or one for all"
        )
