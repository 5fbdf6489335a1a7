"""Pictures in one pass of a trained net."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from nst.core.color import restore_color
from nst.core.device import choose_device
from nst.core.files import make_folder
from nst.core.progress import OnProgress, collected_warnings, tracked
from nst.core.reports import PictureReport
from nst.core.tensors import resize, size_of, working_size
from nst.errors import InputError
from nst.media.contents import left_out, read_content, usable
from nst.media.images import load_image, save_image
from nst.models.checkpoint import DEFAULT, load_checkpoint
from nst.models.deeplab import Segmenter
from nst.motion.grain import grain
from nst.options.stylize import PictureConfig
from nst.regions.edges import color_plan
from nst.regions.masks import open_masks
from nst.stylize.forward import MIN_SIDE, stylize, with_grain
from nst.stylize.paint import Paint, Styles, grade_of, mix_paint, read_styles

# Of a folder so many pictures at most are looked at when a style picture is learned.
LEARNED_ON = 4


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
    choose_device(config.device)  # refuses one that is absent before anything is read
    plans: Sequence[Path | None] = mask_targets or (None,) * len(jobs)
    if plans[0] and jobs[0][1].absolute() == plans[0].absolute():
        raise InputError(f"--mask-output is --output, {jobs[0][1]}: give another name")
    chosen = usable(
        [(*job, plan) for job, plan in zip(jobs, plans, strict=True)],
        config.long_side,
        lambda size, source: working_size(size, config.long_side, source, MIN_SIDE),
    )
    sources = [source for (source, *_), _ in chosen]
    targets = tuple(target for (_, target, _), _ in chosen)
    styles = read_styles(config)
    checkpoint = load_checkpoint(config.checkpoint or DEFAULT)

    def samples() -> list[Tensor]:
        every = -(-len(chosen) // LEARNED_ON)  # rounded up
        taken = [(source, size) for (source, *_), size in chosen[::every]]
        return [resize(load_image(source, config.long_side), size) for source, size in taken]

    with collected_warnings() as warned:
        paint = mix_paint(config, checkpoint, styles, samples, on_progress)
        with picture_painter(config, paint, styles, sources) as painter:
            if config.content_path.is_dir():
                for target in filter(None, chosen[0][0][1:]):
                    make_folder(target.parent)
            report = on_progress if len(jobs) > 1 else None
            for (source, target, plan), size in tracked(
                chosen, "stylizing", len(chosen), "picture", report
            ):
                content, alpha = read_content(source, target, config.long_side)
                content = resize(content, size)
                stylized, weights = painter(content)
                if plan:
                    save_image(color_plan(weights.cpu(), content), plan)
                save_image(stylized, target, None if alpha is None else resize(alpha, size))
    seconds = time.perf_counter() - begun
    return PictureReport(targets, seconds, tuple(warned), left_out(jobs, chosen))


@contextmanager
def picture_painter(
    config: PictureConfig,
    paint: Paint,
    styles: Styles,
    sources: Sequence[Path] = (),
    segmenter: Segmenter | None = None,
) -> Iterator[Callable[[Tensor], tuple[Tensor, Tensor | None]]]:
    """Give what stylizes an image (1, 3, H, W): the result, and its regions' weights (1, K, H, W).

    Args:
        sources: the pictures' paths, in order; masks of the user's own are named like them.
        segmenter: one that is loaded; None loads one where regions are classes.

    Raises:
        InputError: the masks or the segmenter's weights cannot be found.
    """
    device, dtype = paint.device, paint.dtype

    @lru_cache(maxsize=1)  # many folders have pictures of one size
    def prepared(size: tuple[int, int]) -> tuple[Tensor, Tensor | None]:
        noise = grain(size).mul_(paint.grain).to(device) if paint.grain else None
        return paint.for_size(size).codes, noise

    opened = open_masks(config, styles.regions, device, dtype, sources, segmenter=segmenter)
    with opened as masks:

        def painted(content: Tensor) -> tuple[Tensor, Tensor | None]:
            content = content.to(device)
            codes, noise = prepared(size_of(content))
            weights = folded = None
            if masks:
                weights = masks.follow(content).to(device)
                seen = with_grain(content, noise).to(dtype)
                with torch.inference_mode():
                    folded = paint.net.folded(seen, codes)
            stylized = stylize(
                paint.net, content, codes, dtype, paint.identity, paint.identity_weight,
                weights, folded, noise, paint.detail,
            )  # fmt: skip
            stylized = grade_of(config)(restore_color(stylized, content, config.preserve_color))
            if styles.regions:
                stylized = styles.regions.restored(stylized, content, weights)
            return stylized, weights

        yield painted
        if masks:
            masks.report()
