"""Pictures in one pass of a trained net."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from nst.core.color import restore_color
from nst.core.device import choose_device, choose_dtype
from nst.core.files import make_folder
from nst.core.tensors import resize, working_size
from nst.errors import InputError
from nst.media.images import load_image, read_picture, save_image
from nst.models.checkpoint import load_checkpoint
from nst.motion.grain import grain
from nst.options.stylize import PictureConfig
from nst.regions.edges import colour_plan
from nst.regions.masks import picture_masks
from nst.regions.spec import chosen_styles
from nst.styles.spec import wanted_checkpoint
from nst.styles.tuning import code_tuner
from nst.stylize.forward import LEAST_SIDE, stylize, with_grain


def one_pass_pictures(
    config: PictureConfig, jobs: list[tuple[Path, Path]], mask_targets: list[Path] | None = None
) -> None:
    """Paint each source of `jobs` and write it to its target; the masks to theirs, if given.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    checkpoint = load_checkpoint(wanted_checkpoint(config, "quality"))
    device = choose_device(config.device)
    dtype = choose_dtype(config.precision, device)
    for source, _ in jobs:  # all are looked at before the first is painted
        working_size(read_picture(source).size[::-1], config.long_side, source, LEAST_SIDE)

    def samples() -> list[Tensor]:
        return [load_image(source) for source, _ in jobs[:: -(-len(jobs) // 4)]]

    tune = code_tuner(checkpoint.net, samples, config.refine_steps, config.precision, config.quiet)
    regions, code, left_alone = chosen_styles(config, checkpoint, tune)
    net, code = checkpoint.net.to(device, dtype), code.to(device)
    identity = checkpoint.codes[:1].to(device)
    sources, targets = zip(*jobs, strict=True)
    plans: Sequence[Path | None] = mask_targets or (None,) * len(jobs)
    if plans[0] and targets[0].absolute() == plans[0].absolute():
        raise InputError(f"--mask-output is --output, {config.output}: give another name")
    with picture_masks(config, regions, device, dtype, sources) as masks:
        if config.content_path.is_dir():
            for target in (targets[0], *plans[:1]):
                if target:
                    make_folder(target.parent)
        for source, target, plan in tqdm(
            list(zip(sources, targets, plans, strict=True)),
            "painting",
            unit="picture",
            disable=config.quiet or len(jobs) == 1,
        ):
            content = load_image(source)
            size = working_size(tuple(content.shape[-2:]), config.long_side, source, LEAST_SIDE)
            content = resize(content, size).to(device)
            weights = folded = noise = None
            if checkpoint.grain:
                noise = grain(tuple(content.shape[-2:])).to(device) * checkpoint.grain
            if masks:
                weights = masks.follow(content).to(device)
                folded = net.folded(with_grain(content, noise).to(dtype), code)
            stylized = stylize(
                net, content, code, dtype, identity, left_alone, weights, folded, noise
            )
            stylized = restore_color(stylized, content, config.preserve_color)
            if masks:
                stylized = masks.regions.restored(stylized, content, weights)
            if plan:
                save_image(colour_plan(weights, content), plan)
            save_image(stylized, target)
