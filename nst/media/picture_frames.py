"""Pictures as a video: a folder of them, or one that moves (animated WebP, PNG and AVIF)."""

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

from nst.core.progress import warn
from nst.errors import InputError
from nst.media.deep import likely_white
from nst.media.folders import list_pictures, warn_left_out
from nst.media.frames import Frame, StreamInfo
from nst.media.images import split_alpha
from nst.media.picture_file import picture_size
from nst.media.picture_reader import (
    Pixels,
    animation_frames,
    animation_of,
    brightest_value,
    read_pixels,
)

MILLISECONDS = Fraction(1, 1000)
# Frames of a sequence of floats that are read to know what its white is.
WHITE_SAMPLES = 8


class FolderReader:
    """A folder of pictures of one size, in natural order, at a constant rate.

    Args:
        keep_alpha: frames have their alpha; else they are laid on white.

    Raises:
        InputError: no pictures there, none in the span, or of different sizes.
    """

    def __init__(
        self,
        path: Path,
        start: Fraction,
        duration: Fraction | None,
        rate: Fraction,
        keep_alpha: bool = False,
    ) -> None:
        files = list_pictures(path)
        end = len(files) if duration is None else math.ceil((start + duration) * rate)
        chosen = files[math.ceil(start * rate) : end]
        if not chosen:
            length = f"{float(len(files) / rate):.2f} s at {rate} frames a second"
            raise InputError(f"{path}: no frame from {float(start):g} s on, it holds {length}")
        self._files, left_out = [], []
        size = None
        for index, file in enumerate(chosen):
            try:
                found = picture_size(file)
            except InputError as error:
                left_out.append(str(error))
                continue
            size = size or found
            if found != size:
                shapes = f"{found[1]}x{found[0]} where the others are {size[1]}x{size[0]}"
                raise InputError(f"{file}: is {shapes}; bring all to one size")
            self._files.append((index, file))
        warn_left_out(path, left_out)
        if size is None:
            raise InputError(f"{path}: none of its {len(chosen)} pictures can be read")
        self._keep_alpha = keep_alpha
        self._white = _common_white([file for _, file in self._files])
        self.info = StreamInfo(size, rate, 1 / rate, frames=len(self._files), path=path)

    def __iter__(self) -> Iterator[Frame]:
        for index, file in self._files:
            try:
                pixels = read_pixels(file, white=self._white)
            except InputError as error:
                time = float(index / self.info.rate)
                message = f"{error}: the frame at {time:.3f} s is left out"
                warn(message)
                continue
            yield _frame(pixels, index, 1, self._keep_alpha)

    def __enter__(self) -> "FolderReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._files = []


class PictureReader:
    """One picture as a video: the frames of one that moves, or a still shown for a frame.

    Args:
        rate: frames a second of a still.
        keep_alpha: as for `FolderReader`.

    Raises:
        InputError: it cannot be read, or has no frame in the span.
    """

    def __init__(
        self,
        path: Path,
        start: Fraction,
        duration: Fraction | None,
        rate: Fraction,
        keep_alpha: bool = False,
    ) -> None:
        self._path, self._keep_alpha = path, keep_alpha
        self._animation = animation_of(path)
        shown = self._animation.shown if self._animation else (round(1000 / rate),)
        begins = [*accumulate(shown, initial=0)]
        end = None if duration is None else 1000 * (start + duration)
        self._times = [
            (begin, length) if begin >= 1000 * start and (end is None or begin < end) else None
            for begin, length in zip(begins, shown, strict=False)
        ]
        used = [time for time in self._times if time]
        if not used:
            span = f"from {float(start):g} s on, it is {begins[-1] / 1000:.2f} s long"
            raise InputError(f"{path}: no frame {span}; give an earlier start")
        mean = Fraction(1000 * len(used), sum(length for _, length in used))
        loop = self._animation.loop if self._animation else 0
        self.info = StreamInfo(
            picture_size(path),
            mean,
            MILLISECONDS,
            frames=len(used),
            loop=None if loop == 1 else loop,
        )

    def __iter__(self) -> Iterator[Frame]:
        if self._animation:
            frames = animation_frames(self._path, self._animation)
        else:
            frames = iter([read_pixels(self._path)])
        origin = next(time for time in self._times if time)[0]
        for pixels, time in zip(frames, self._times, strict=True):
            if time:
                yield _frame(pixels, time[0] - origin, time[1], self._keep_alpha)

    def __enter__(self) -> "PictureReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        pass


def _frame(pixels: Pixels, pts: int, duration: int, keep_alpha: bool) -> Frame:
    if not keep_alpha:
        pixels = Pixels(pixels.over(), None, pixels.size)
    image, alpha = split_alpha(pixels)
    return Frame(image, pts, duration, alpha)


def _common_white(files: list[Path]) -> float | None:
    """Return what white is in a sequence of floats, by some frames of it; None where files say it.

    Frame by frame it would jump where a scene fades to black.
    """
    if not files or brightest_value(files[0]) is None:
        return None
    chosen = files[:: -(-len(files) // WHITE_SAMPLES)]
    return likely_white(max(brightest_value(file) or 0.0 for file in chosen))
