"""The story of a picture, or a folder of them, optimised or in one pass of a trained net."""

import os
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from nst.checkpoint import load_checkpoint
from nst.config import PictureConfig
from nst.device import choose_device, choose_dtype
from nst.errors import InputError
from nst.files import make_folder
from nst.image_io import (
    WRITABLE,
    check_writable,
    list_pictures,
    load_image,
    read_picture,
    save_image,
)
from nst.masks import colour_plan
from nst.one_pass import stylize, working_size
from nst.optimize import optimize_pictures
from nst.refinement import code_tuner
from nst.region_masks import picture_masks
from nst.regions import chosen_styles
from nst.styles import wanted_checkpoint
from nst.tensors import resize, restore_color


def stylize_pictures(config: PictureConfig) -> None:
    """Paint what `config` names and write it; a folder's pictures keep their names.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    jobs = _jobs(config.content_path, config.output)
    if config.method == "optimize":
        optimize_pictures(config, jobs)
    else:
        _one_pass(config, jobs)


def _one_pass(config: PictureConfig, jobs: list[tuple[Path, Path]]) -> None:
    checkpoint = load_checkpoint(wanted_checkpoint(config, "quality"))
    device = choose_device(config.device)
    dtype = choose_dtype(config.precision, device)
    for source, _ in jobs:  # all are looked at before the first is painted
        working_size(read_picture(source).size[::-1], config.long_side, source)

    def samples() -> list[Tensor]:
        return [load_image(source) for source, _ in jobs[:: -(-len(jobs) // 4)]]

    tune = code_tuner(checkpoint.net, samples, config.refine_steps, config.precision, config.quiet)
    regions, code, left_alone = chosen_styles(config, checkpoint, tune)
    net, code = checkpoint.net.to(device, dtype), code.to(device)
    identity = checkpoint.codes[:1].to(device)
    sources, targets = zip(*jobs, strict=True)
    plans = (None,) * len(jobs)
    if config.mask_output:
        plans = [target for _, target in _jobs(config.content_path, config.mask_output)]
        if targets[0].absolute() == plans[0].absolute():
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
            content = resize(
                content, working_size(tuple(content.shape[-2:]), config.long_side, source)
            ).to(device)
            weights = folded = None
            if masks:
                weights = masks.follow(content).to(device)
                folded = net.folded(content.to(dtype), code)
            stylized = stylize(net, content, code, dtype, identity, left_alone, weights, folded)
            stylized = restore_color(stylized, content, config.preserve_color)
            if masks:
                stylized = masks.regions.restored(stylized, content, weights)
            if plan:
                save_image(colour_plan(weights, content), plan)
            save_image(stylized, target)


def _jobs(content: Path, output: Path) -> list[tuple[Path, Path]]:
    """Pair each source with its target, all checked before any work."""
    if not content.exists():
        raise InputError(f"no file {content}: check --content-path")
    if not content.is_dir():
        if output.is_dir():
            raise InputError(f"--output {output} is a folder: name the picture to write")
        check_writable(output)
        if output.exists() and os.path.samefile(content, output):
            raise InputError(f"--output would overwrite {content}: give another name")
        return [(content, output)]
    sources = list_pictures(content)
    if output.exists() and os.path.samefile(content, output):
        raise InputError(f"--output is --content-path, {content}: give another folder")
    if output.suffix.lower() in WRITABLE:
        raise InputError(f"--content-path {content} is a folder, so --output must be one")
    targets = [_target(source, output) for source in sources]
    if len(set(targets)) < len(targets):
        twice = next(t for t in targets if targets.count(t) > 1)
        raise InputError(f"two pictures of {content} would become {twice.name}: rename one")
    return list(zip(sources, targets, strict=True))


def _target(source: Path, folder: Path) -> Path:
    """Keep the name; kinds that cannot be written become PNG."""
    if source.suffix.lower() in WRITABLE:
        return folder / source.name
    return folder / f"{source.stem}.png"
