"""What a video would look like, and what it would take: seen before the long wait.

The time and the memory are measured: some frames from the middle are painted and written as the
whole would be, into a temporary folder.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from nst.core.device import choose_device
from nst.core.files import check_place
from nst.core.forecast import in_words
from nst.core.progress import OnProgress, Progress, collected_warnings, tracked
from nst.core.reports import Figures, VideoReport
from nst.core.tensors import fit_within, resize
from nst.errors import InputError
from nst.media.camera import is_live
from nst.media.folders import list_pictures
from nst.media.frames import Frame, PaintedFrame, StreamInfo, frame_rate
from nst.media.images import WRITABLE, save_image
from nst.media.sheet import MARGIN, framed, grid, stacked, text_line, tile
from nst.media.video_reader import open_video
from nst.models.checkpoint import DEFAULT, load_checkpoint
from nst.models.deeplab import Segmenter
from nst.options.stylize import VideoConfig
from nst.regions.edges import color_plan
from nst.regions.masks import needs_segmenter, open_masks
from nst.styles.schedule import Clock, is_scheduled, parse_styles
from nst.styles.spec import StyleSpec, names_of
from nst.stylize.film import keeps_parts, paint_film
from nst.stylize.frames import followed, stylize_frames
from nst.stylize.paint import Styles, check_styles, grade_of, mix_paint, picture_tuner, read_styles
from nst.stylize.pipeline import Source, sample
from nst.stylize.videos import one_pass_video

FRAMES, COLUMNS, STYLE_COLUMNS = 9, 3, 4
TILE_SIDE, STYLE_SIDE = 640, 480  # longer side of a frame on the sheet, in pixels
# Seconds that the measured excerpt is to take, about, and how many frames it has.
EXCERPT_SECONDS, EXCERPT_FRAMES = 8.0, (8, 96)
SETTLED = 0.25  # of the excerpt's frames are left out of the measurement: the first ones


def preview(config: VideoConfig, on_progress: OnProgress | None = None) -> VideoReport:
    """Write the sheets that --preview and --preview-styles ask for.

    The report's figures are the seconds and the bytes of memory that the whole video will take.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    begun = time.perf_counter()
    if is_live(str(config.input_video)):
        raise InputError("--preview is for a video with an end; --show shows what a camera sees")
    if config.keyframe:
        raise InputError("--preview shows styles, not keyframes: leave out --keyframe, or paint")
    for flag, path in (("--preview", config.preview), ("--preview-styles", config.preview_styles)):
        if path:
            check_place(path, flag, WRITABLE)
    with Source(config) as source:
        info = source.info
    if not info.frames:
        raise InputError(f"{config.input_video}: its length is unknown, give --duration")
    notes: list[str] = []
    figures = Figures()
    with collected_warnings() as warned:
        if config.preview:
            cost = _preview_frames(config, info, on_progress)
            figures = Figures(seconds=cost.seconds, memory=cost.memory, frames=cost.measured)
            notes.append(f"wrote {config.preview}: {cost.in_words}")
        if config.preview_styles:
            notes.append(_preview_styles(config, info, on_progress))
    return VideoReport(
        output=None,
        frames=info.frames,
        size=info.size,
        seconds=time.perf_counter() - begun,
        fps=0.0,
        figures=figures,
        warnings=tuple(warned),
        note="; ".join(notes),
    )


def _preview_frames(
    config: VideoConfig, info: StreamInfo, on_progress: OnProgress | None
) -> "_Cost":
    """Write the sheet of nine frames; return what the whole video takes."""
    styles = read_styles(config)
    timeline = styles.timeline(Clock.of(info))
    checkpoint = load_checkpoint(config.checkpoint or DEFAULT)
    size = fit_within(info.size, TILE_SIDE)
    learning = time.perf_counter()
    paint = mix_paint(config, checkpoint, styles, lambda: _small(config, size), on_progress)
    learning = time.perf_counter() - learning
    small = paint.for_size(size, styles.scale_factors)
    count = min(FRAMES, info.frames)
    numbers = [(2 * i + 1) * info.frames // (2 * count) for i in range(count)]
    tiles, plans, seconds = [], [], []
    segmenter = None
    if needs_segmenter(config, styles.regions):
        segmenter = Segmenter(config.segmenter, paint.device, paint.dtype)
    for number in tracked(numbers, "previewing", count, "frame", on_progress):
        frame = _frame(config, info, number, size)
        begun = time.perf_counter()
        masks_at = partial(open_masks, rate=info.rate, first=number, segmenter=segmenter)
        with masks_at(config, styles.regions, paint.device, paint.dtype) as masks:
            scenes = followed([frame], paint.device, None, masks, paint.grain)
            (painted,) = stylize_frames(
                scenes,
                small,
                0.0,
                config.preserve_color,
                timeline,
                styles.regions,
                number=number,
                grade=grade_of(config),
            )
        seconds.append(time.perf_counter() - begun)
        moment = f"{float(number / info.rate):.1f} s"
        tiles.append(tile(moment, [painted.result.image.cpu()]))
        plans += _plan(painted)
    guess = min(seconds) * info.size[0] * info.size[1] / size[0] / size[1]
    cost = _measured(config, info, guess, learning)
    parts = [
        text_line(cost.in_words, tiles[0].shape[3] * min(COLUMNS, count)),
        grid(tiles, COLUMNS),
    ]
    if plans:
        parts.append(grid([tile("regions", [plan]) for plan in plans], FRAMES))
    save_image(framed(stacked(parts)), config.preview)
    return cost


def _small(config: VideoConfig, size: tuple[int, int]) -> list[Tensor]:
    """Return frames that a style picture is learned on, in the size of a tile."""
    return [resize(image, size) for image in sample(config)]


def _plan(painted: PaintedFrame) -> list[Tensor]:
    """Return the small picture of a frame's masks, where it has some."""
    if painted.weights is None:
        return []
    plan = color_plan(painted.weights, painted.original.image).cpu()
    height, width = plan.shape[-2:]
    narrow = max(1, (width + MARGIN) * COLUMNS // FRAMES - MARGIN)  # nine are as wide as the sheet
    return [resize(plan, (max(1, round(height * narrow / width)), narrow))]


def _frame(config: VideoConfig, info: StreamInfo, number: int, size: tuple[int, int]) -> Frame:
    """Return a frame of the span that is to be painted, at a size, with its time."""
    seconds = number / info.rate
    start = config.start + float(seconds)
    with open_video(
        config.input_video, start, rate=frame_rate(config.rate), deinterlace=config.deinterlace
    ) as video:
        image = resize(next(iter(video)).image, size)
    image = image.flip(3) if config.mirror else image
    return Frame(image, round(seconds / info.time_base))


def _preview_styles(config: VideoConfig, info: StreamInfo, on_progress: OnProgress | None) -> str:
    """Write the sheet of styles; return the line that says so."""
    pictures = [
        picture
        for path in config.style_path or ()
        for picture in (list_pictures(path) if path.is_dir() else [path])
    ]
    specs = [StyleSpec(((picture, 1.0),)) for picture in pictures]
    checkpoint = load_checkpoint(config.checkpoint or DEFAULT)
    specs = specs or [StyleSpec(((name, 1.0),)) for name in names_of(checkpoint)]
    if not specs:
        raise InputError("this checkpoint has no styles of its own: give --style-path")
    for spec in specs:
        check_styles(config, checkpoint, Styles(spec))
    size = fit_within(info.size, STYLE_SIDE)
    frame = _frame(config, info, info.frames // 2, size)
    tiles = [tile("original", [frame.image])]
    tune, count = None, len(pictures)
    if pictures:
        tune = picture_tuner(config, checkpoint, count, lambda: [frame.image], on_progress)
    report = None if tune else on_progress  # what takes long has a bar: to learn
    for spec in tracked(specs, "previewing", len(specs), "style", report):
        paint = mix_paint(config, checkpoint, Styles(spec), list, tune=tune).for_size(size)
        scenes = followed([frame], paint.device, None, None, paint.grain)
        (painted,) = stylize_frames(
            scenes, paint, 0.0, config.preserve_color, grade=grade_of(config)
        )
        (name, _), *_ = spec.weights
        name = name.stem if isinstance(name, Path) else name
        tiles.append(tile(name, [painted.result.image.cpu()]))
    save_image(framed(grid(tiles, STYLE_COLUMNS)), config.preview_styles)
    return f"wrote {config.preview_styles}: the middle frame in {len(specs)} styles"


@dataclass(frozen=True)
class _Cost:
    """What a whole video takes: seconds, and bytes of memory where that is known."""

    info: StreamInfo
    measured: int
    seconds: float
    memory: int | None
    gpu_memory: int | None

    @property
    def in_words(self) -> str:
        height, width = self.info.size
        parts = [
            f"{size / 1e9:.1f} GB of {kind}"
            for size, kind in ((self.memory, "memory"), (self.gpu_memory, "GPU memory"))
            if size
        ]
        return (
            f"all {self.info.frames} frames of {width}x{height} will take about "
            f"{' and '.join([in_words(self.seconds), *parts])} here, measured on {self.measured}"
        )


def _measured(config: VideoConfig, info: StreamInfo, guess: float, learning: float) -> _Cost:
    """Paint some frames from the middle as the whole would be painted, and see what they take.

    Args:
        guess: seconds a frame, about, by which it is decided how many.
        learning: seconds that the styles' codes take.
    """
    low, high = EXCERPT_FRAMES
    frames = min(info.frames, high, max(low, round(EXCERPT_SECONDS / max(guess, 1e-6))))
    marks: dict[str, list[tuple[int, float]]] = {}

    def mark(progress: Progress) -> None:
        marks.setdefault(progress.stage, []).append((progress.done, time.perf_counter()))

    device = choose_device(config.device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with tempfile.TemporaryDirectory() as folder:
        excerpt = _excerpt(config, info, frames, Path(folder))
        begun = time.perf_counter()
        report = (
            paint_film(excerpt, None, mark)
            if excerpt.resume
            else one_pass_video(excerpt, None, mark)
        )
        spent = time.perf_counter() - begun
    rates = [_rate(marks[stage]) for stage in ("stylizing", "joining") if stage in marks]
    fixed = learning + max(0.0, spent - sum(rates) * report.frames)
    return _Cost(
        info,
        report.frames,
        fixed + sum(rates) * info.frames,
        _peak_memory(),
        torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
    )


def _rate(marks: Sequence[tuple[int, float]]) -> float:
    """Return seconds a frame, of a stage's frames that are done and the times of that."""
    first = marks[int(SETTLED * (len(marks) - 1))]
    last = marks[-1] if marks[-1][0] > first[0] else marks[-2]
    return (last[1] - first[1]) / max(1, last[0] - first[0])


def _excerpt(config: VideoConfig, info: StreamInfo, frames: int, folder: Path) -> VideoConfig:
    """Return the options of a run over some frames in the middle, in the styles of the begin."""
    output = config.output_video or Path("out.mp4")
    style = config.style
    if config.style_at is not None:
        style = str(parse_styles(config.style_at).values[0])
    first = (info.frames - frames) // 2
    whole = first == 0
    return replace(
        config,
        output_video=folder / output.name,
        mask_output=config.mask_output and folder / f"masks-{config.mask_output.name}",
        report=config.report and folder / "report.json",
        start=config.start + float(first / info.rate),
        duration=config.duration if whole else float(frames / info.rate),
        style=style,
        region=tuple(map(_without_times, config.region)),
        style_at=None,
        style_to=None,
        strength_at=None,
        strength_follows="none",
        style_scale_at=None,
        refine_steps=0 if config.refine_steps == 0 else 1,  # the codes have been learned once
        resume=keeps_parts(config, None),
        preview=None,
        preview_styles=None,
        show=False,
        plan=None,
        part=None,
        join=False,
        workers=None,
    )


def _without_times(region: str) -> str:
    labels, _, chosen = region.partition("=")
    return f"{labels}={parse_styles(chosen).values[0]}" if is_scheduled(chosen) else region


def _peak_memory() -> int | None:
    """Return the most memory that this process has had, in bytes; None where that is not known."""
    with suppress(ImportError):  # Windows has none
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak
    return None
