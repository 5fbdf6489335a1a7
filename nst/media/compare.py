"""A painted video beside its original: what the second video of `--compare` shows."""

import math
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

# The wipe's edge begins in the middle and swings so far to either side, in fractions of the width,
# once in so many seconds; it is drawn as a white line of a fraction of the width.
SWING, PERIOD, LINE = 0.4, 8.0, 1 / 320


def compare_path(output: Path) -> Path:
    """Return the path of the second video.

    >>> compare_path(Path("a/out.mp4")).name, compare_path(Path("frames")).name
    ('out-compare.mp4', 'frames-compare')
    """
    return output.with_name(f"{output.stem}-compare{output.suffix}")


def compare_size(size: tuple[int, int], how: str) -> tuple[int, int]:
    """Return the size of the second video's frames: wipe, side or top."""
    height, width = size
    return (height * (1 + (how == "top")), width * (1 + (how == "side")))


def compared(original: Tensor, result: Tensor, seconds: float | Fraction, how: str) -> Tensor:
    """Return a frame (1, 3, H', W') of the second video.

    Args:
        original, result: (1, 3, H, W); the original is on the left of a wipe, and comes first.
        seconds: the frame's time, by which the wipe moves.
        how: wipe, side or top.
    """
    original = original.to(result.device)
    if how != "wipe":
        return torch.cat([original, result], 3 if how == "side" else 2)
    width = result.shape[3]
    edge = round(width * (0.5 + SWING * math.sin(2 * math.pi * float(seconds) / PERIOD)))
    line = max(1, round(LINE * width))
    white = torch.ones_like(result[..., :line])
    left = edge - line // 2
    return torch.cat([original[..., :left], white, result[..., left + line :]], 3)
