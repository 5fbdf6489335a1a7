"""What passes from a video's reader to its writer: frames, and what is to be kept of the stream."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from torch import Tensor

# H.273's numbers, for matrix, primaries and transfer alike.
BT709, UNSPECIFIED = 1, 2


@dataclass(frozen=True)
class Frame:
    """One picture and its time: `pts` and `duration` count the stream's `time_base`.

    A duration of 0 means until the next frame. `alpha` is (1, 1, H, W), None where all is opaque.
    """

    image: Tensor
    pts: int
    duration: int = 0
    alpha: Tensor | None = None


@dataclass(frozen=True)
class StreamInfo:
    """What a video keeps when its pictures are exchanged.

    Args:
        size: upright, as the frames are.
        rate: average frames a second.
        frames: how many are to be expected; None is unknown.
        pixel_aspect: a pixel's width over its height.
        matrix: RGB to YUV, by H.273's number, and so are `primaries` and `transfer`.
        loop: a GIF's repetitions; 0 is for ever, None is once.
        path: where the sound is; None has none.
        begin: the time in `path`, in seconds, that is 0 here.
        end: the time in `path` to stop at; None is its end.
    """

    size: tuple[int, int]
    rate: Fraction
    time_base: Fraction
    frames: int | None = None
    pixel_aspect: Fraction = Fraction(1)
    matrix: int = UNSPECIFIED
    full_range: bool = False
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    loop: int | None = 0
    path: Path | None = None
    begin: Fraction = Fraction(0)
    end: Fraction | None = None


def on_white(image: Tensor, alpha: Tensor) -> Tensor:
    """Lay an image with alpha (N, 1, H, W) on white."""
    return 1 + alpha * (image - 1)


def frame_rate(rate: float) -> Fraction:
    """Return a rate in frames a second, exact where it is like NTSC's 30000/1001.

    >>> frame_rate(29.97002997), frame_rate(12.5)
    (Fraction(30000, 1001), Fraction(25, 2))
    """
    return Fraction(rate).limit_denominator(1001)


@dataclass(frozen=True)
class PaintedFrame:
    """A frame before and after it was painted; both are of one size and have the same time.

    Args:
        original, result: images (1, 3, H, W).
        weights: style weights (1, K, H, W) of its regions; None without regions.
        alone: image (1, 3, H, W), the result without memory of earlier frames; None where it was
            not asked for.
        fresh: nothing of earlier frames is in it, as at a cut.
    """

    original: Frame
    result: Frame
    weights: Tensor | None = None
    alone: Tensor | None = None
    fresh: bool = False


# Takes each frame as it is finished; returning False ends the work early.
OnFrame = Callable[[PaintedFrame], bool | None]
