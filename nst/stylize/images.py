"""Pictures in one pass of a trained net."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from nst.core.color import restore_color
from nst.core.files import make_folder
from nst.core.progress import OnProgress, collected_warnings, tracked
from nst.core.reports import PictureReport
from nst.core.tensors import resize, size_of, working_size
from nst.errors import InputError
from nst.media.images import load_image, read_picture, save_image
from nst.motion.grain import grain
from nst.options.stylize import PictureConfig
from nst.regions.edges import colour_plan
from nst.regions.masks import picture_masks
from nst.stylize.forward import LEAST_SIDE, stylize, with_grain
from nst.stylize.paint import Paint, Styles, mix_paint, read_styles

# Of a folder so many pictures at most are looked at when a style picture's code is tuned.
TUNED_ON = 4


def one_pass_pictures(
    config: PictureConfig,
    jobs: Sequence[tuple[Path, Path]],
    mask_targets: Sequence[Path] | None = None,
    on_progress: OnProgress | None = None,
) -> PictureReport:
    """Paint each source of `jobs` and write it to its target; the masks to theirs, if given.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    begun = time.perf_counter()
    sources, targets = zip(*jobs, strict=True)
    plans: Sequence[Path | None] = mask_targets or (None,) * len(jobs)
    if plans[0] and targets[0].absolute() == plans[0].absolute():
        raise InputError(f"--mask-output is --output, {targets[0]}: give another name")
    for source in sources:  # all are checked before the first is painted
        working_size(read_picture(source).size[::-1], config.long_side, source, LEAST_SIDE)
    styles = read_styles(config)
    checkpoint = styles.load(config.checkpoint, "quality")

    def samples() -> list[Tensor]:
        every = -(-len(sources) // TUNED_ON)  # rounded up
        return [load_image(source) for source in sources[::every]]

    with collected_warnings() as warned:
        paint = mix_paint(config, checkpoint, styles, samples, on_progress)
        with picture_painter(config, paint, styles, sources) as painter:
            if config.content_path.is_dir():
                for target in (targets[0], *plans[:1]):
                    if target:
                        make_folder(target.parent)
            report = on_progress if len(jobs) > 1 else None
            for source, target, plan in tracked(
                zip(sources, targets, plans, strict=True),
                "stylizing", len(jobs), "picture", report,
            ):  # fmt: skip
                content = load_image(source)
                size = working_size(size_of(content), config.long_side, source, LEAST_SIDE)
                content = resize(content, size)
                stylized, weights = painter(content)
                if plan:
                    save_image(colour_plan(weights.cpu(), content), plan)
                save_image(stylized, target)
    return PictureReport(targets, time.perf_counter() - begun, tuple(warned))


@contextmanager
def picture_painter(
    config: PictureConfig, paint: Paint, styles: Styles, sources: Sequence[Path] = ()
) -> Iterator[Callable[[Tensor], tuple[Tensor, Tensor | None]]]:
    """Give what stylizes an image (1, 3, H, W): the result, and its regions' weights (1, K, H, W).

    Args:
        sources: the pictures' paths, in order; masks of the user's own are named like them.

    Raises:
        InputError: the masks or the segmenter's weights cannot be found.
    """
    device, dtype = paint.device, paint.dtype
    with picture_masks(config, styles.regions, device, dtype, sources) as masks:

        def painted(content: Tensor) -> tuple[Tensor, Tensor | None]:
            content = content.to(device)
            size = size_of(content)
            codes = paint.for_size(size).codes
            weights = folded = noise = None
            if paint.grain:
                noise = grain(size).to(device) * paint.grain
            if masks:
                weights = masks.follow(content).to(device)
                seen = with_grain(content, noise).to(dtype)
                with torch.inference_mode():
                    folded = paint.net.folded(seen, codes)
            stylized = stylize(
                paint.net, content, codes, dtype, paint.identity, paint.identity_weight,
                weights, folded, noise,
            )  # fmt: skip
            stylized = restore_color(stylized, content, config.preserve_color)
            if styles.regions:
                stylized = styles.regions.restored(stylized, content, weights)
            return stylized, weights

        yield painted
