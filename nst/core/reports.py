"""What a finished piece of work says of itself."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

ByLag = dict[str, float]  # the number of frames between two that are compared, "1" or "10" -> error


class BesideAlone(TypedDict, total=False):
    """What temporal blending did, as ratios to the same frames painted alone; but for `ghost`."""

    detail: float
    style_mean_error: float
    style_covariance_error: float
    content_distance: float
    warping_error: ByLag
    feature_warping_error: ByLag
    ghost: float


class Figures(TypedDict, total=False):
    """What was measured of a stylized video, see `losses.video_metrics.Measurement.figures`."""

    frames: int
    size: tuple[int, int] | None
    flow: str
    warping_error: ByLag
    input_warping_error: ByLag
    warping_error_ratio: ByLag
    feature_warping_error: ByLag
    input_feature_warping_error: ByLag
    feature_warping_error_ratio: ByLag
    valid: ByLag
    ssim: float
    detail: float
    content_distance: float
    style_mean_error: float
    style_covariance_error: float
    style_gram_error: float
    style_sizes: list[tuple[int, int]]
    beside_alone: BesideAlone
    over_time: dict[str, dict[str, list[float]]]
    seconds: float  # of a preview: what the whole video will take, and in bytes
    memory: float


@dataclass(frozen=True)
class PictureReport:
    """Pictures that were stylized.

    Args:
        outputs: the files written.
        seconds: how long it took, loading included.
        warnings: one line each.
        left_out: pictures of the folder that could not be read, or were too small.
    """

    outputs: tuple[Path, ...]
    seconds: float
    warnings: tuple[str, ...] = ()
    left_out: tuple[Path, ...] = ()


@dataclass(frozen=True)
class VideoReport:
    """A video that was stylized.

    Args:
        output: what was written, under its true name; None where frames were only shown.
        frames: how many.
        size: (height, width) of the result.
        seconds: how long it took, loading included.
        fps: frames per second once the first was being painted.
        figures: how steady and how stylized the result is, see `Measurement.figures`.
        warnings: one line each.
        masks: where the masks were written, if they were.
        complete: False when `on_frame` ended it early.
        note: what was done in place of writing a video.
        compare: where the comparison was written, if it was.
    """

    output: Path | None
    frames: int
    size: tuple[int, int]
    seconds: float
    fps: float
    figures: Figures = field(default_factory=Figures)
    warnings: tuple[str, ...] = ()
    masks: Path | None = None
    complete: bool = True
    note: str = ""
    compare: Path | None = None


@dataclass(frozen=True)
class TrainReport:
    """A checkpoint that was trained.

    Args:
        output: the checkpoint.
        styles: the names of the styles it holds, the identity first.
        steps: how many it has been trained for.
        seconds: how long this run took.
        warnings: one line each.
    """

    output: Path
    styles: tuple[str, ...]
    steps: int
    seconds: float
    warnings: tuple[str, ...] = ()
