"""Optimize a picture's pixels until the content and style losses are low.

Gatys et al., "Image Style Transfer Using Convolutional Neural Networks", 2016, from coarse to fine
(Gatys et al., "Controlling Perceptual Factors in Neural Style Transfer", 2017): large strokes are
laid where steps are cheap, and the full size has only to refine them.
"""

import math
import time
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from nst.core.color import luminance, restore_color
from nst.core.device import choose_device, choose_dtype, keep_memory
from nst.core.files import make_folder
from nst.core.progress import OnProgress, Progress, collected_warnings
from nst.core.reports import PictureReport
from nst.core.tensors import resize, size_of, working_size
from nst.errors import InputError
from nst.media.contents import left_out, read_content, usable
from nst.media.images import load_image, load_mask, read_picture, save_image
from nst.models.vgg import VGGFeatures
from nst.models.weights import load_vgg19
from nst.optimize.coarse_to_fine import (
    MIN_SIDE,
    ScaleStep,
    Sources,
    check_styles,
    noise_like,
    optimize_image,
    scale_sizes,
)
from nst.optimize.colors import in_colors_of
from nst.optimize.record import Record, check_record, step_log
from nst.options.stylize import PictureConfig

LONG_SIDE = 512  # where --long-side is not given, at most


def optimize_pictures(
    config: PictureConfig,
    jobs: Sequence[tuple[Path, Path]],
    on_progress: OnProgress | None = None,
) -> PictureReport:
    """Paint each source of `jobs` and write it to its target, with a JSON record beside it.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    begun = time.perf_counter()
    device = choose_device(config.device)
    dtype = choose_dtype(config.precision, device, gradients=True)
    styles, content_masks, style_masks = _load_styles(config)
    chosen = usable(
        [(*job, None) for job in jobs],
        config.long_side or LONG_SIDE,
        lambda size, source: _size(size, config, source),
    )
    if config.init_image not in ("content", "style", "noise"):
        read_picture(Path(config.init_image))
    for (_, target, _), _ in chosen:
        check_record(target)
    keep_memory()
    vgg = VGGFeatures(load_vgg19(config.vgg), config.pooling).to(device, dtype)
    if config.content_path.is_dir():
        make_folder(jobs[0][1].parent)
    with collected_warnings() as warned:
        for (source, target, _), size in chosen:
            content, alpha = read_content(source, target, config.long_side or LONG_SIDE)
            content = resize(content, size)
            shapes = content
            if config.preserve_color == "none":
                # What the content loss holds are the photo's shapes, not its colors too.
                shapes = in_colors_of(content, styles, config.blend, content_masks)
            sources = Sources(shapes, styles, content_masks, style_masks)
            alpha = None if alpha is None else resize(alpha, size)
            _optimize_to(sources, content, alpha, vgg, config, target, on_progress)
    targets = tuple(target for (_, target, _), _ in chosen)
    seconds = time.perf_counter() - begun
    return PictureReport(targets, seconds, tuple(warned), left_out(jobs, chosen))


def _optimize_to(
    sources: Sources,
    photo: Tensor,
    alpha: Tensor | None,
    vgg: VGGFeatures,
    config: PictureConfig,
    target: Path,
    on_progress: OnProgress | None,
) -> None:
    """Paint one picture; interrupted or failing, the last good one is kept."""
    weight = vgg.weight
    record = Record(config, target, weight.device, weight.dtype)
    scales = scale_sizes(size_of(sources.content), config.scales)
    total, work = len(scales) * config.steps, config.steps * sum(map(math.prod, scales))
    log = step_log(config.log_dir and config.log_dir / target.stem)
    last, count, done = None, 0, 0
    try:
        for last in optimize_image(
            sources, vgg, config, _start(config, sources), config.preserve_color == "histogram"
        ):
            count, done = count + 1, done + math.prod(last.size)
            record.add(count, last.size, last.step, last.plan)
            if on_progress:
                loss = f"loss={last.step.total:.4f}"
                on_progress(Progress(target.name, count, total, "step", loss, done / work))
            log(count, last.step)
            if config.save_every and count % config.save_every == 0:
                save_image(finished(last, photo, config), target, alpha)
    except BaseException:
        if last is not None:
            save_image(finished(last, photo, config), target, alpha)
            record.write(complete=False)
        raise
    save_image(finished(last, photo, config), target, alpha)
    record.write(complete=True)


def finished(last: ScaleStep, photo: Tensor, config: PictureConfig) -> Tensor:
    """Return the picture at the size of the photo, in the colors that were asked for."""
    image = resize(last.step.image.cpu(), size_of(photo))
    return restore_color(image, photo, config.preserve_color)


def _start(config: PictureConfig, sources: Sources) -> Tensor:
    """Return the image that the first scale begins from."""
    if config.init_image == "content":
        return sources.content
    if config.init_image == "style":
        return sources.styles[0]
    if config.init_image == "noise":
        size = scale_sizes(size_of(sources.content), config.scales)[0]
        return noise_like(resize(sources.content, size), config.seed)
    return load_image(Path(config.init_image))


def _size(size: tuple[int, int], config: PictureConfig, source: Path) -> tuple[int, int]:
    long_side = config.long_side or min(LONG_SIDE, max(size))
    return working_size(size, long_side, source, MIN_SIDE)


def _load_styles(config: PictureConfig) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Read styles and masks, after what they have to match in number."""
    regions = len(config.content_mask)
    check_styles(config, regions)
    if config.style_mask and len(config.style_mask) != regions:
        raise InputError(
            f"--content-mask has {regions} pictures and --style-mask {len(config.style_mask)}: "
            "give one of each for a region"
        )
    content_masks, style_masks = (
        [luminance(load_mask(path)) for path in paths]
        for paths in (config.content_mask, config.style_mask)
    )
    return [load_image(path) for path in config.style_path], content_masks, style_masks
