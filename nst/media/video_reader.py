"""Videos in: files, GIFs, folders of numbered pictures, and by way of `camera` what is live."""

import math
import re
import warnings
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image, ImageOps

from nst.core.tensors import to_float
from nst.errors import InputError
from nst.media.camera import CameraReader, is_live, local_path
from nst.media.decoder import Decoder
from nst.media.frames import UNSPECIFIED, Frame, StreamInfo
from nst.media.yuv import is_full_range, known_matrix, to_rgb, turn_of

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm")


def open_video(
    path: str | Path,
    start: float = 0.0,
    duration: float | None = None,
    rate: Fraction = Fraction(25),
) -> "VideoReader | FolderReader | CameraReader":
    """Open a video file, a GIF, a folder of pictures or a camera, to be iterated once.

    Frames come upright, in the order of time. With a `start`, the first frame from there on has the
    time 0; without one the clock is the file's own, moved only so that what comes first, picture or
    sound, is not before 0 nor after it. A frame that cannot be decoded is left out with a warning.
    YUV without a named matrix is BT.709 from 1280 pixels width or above 576 lines, else BT.601.

    Args:
        start: seconds from the beginning.
        duration: seconds from `start`; None is all.
        rate: frames a second of a folder; a file has its own.

    Raises:
        InputError: nothing to read there, or nothing in the span.
    """
    if not (math.isfinite(start) and start >= 0):
        raise InputError(f"start is {start}: give seconds, 0 or more")
    if duration is not None and not (math.isfinite(duration) and duration > 0):
        raise InputError(f"duration is {duration}: give seconds above 0")
    if rate <= 0:
        raise InputError(f"rate is {rate}: give frames a second above 0")
    if is_live(str(path)):
        if start:
            raise InputError(f"--start is {start:g}; what is live begins now: leave it out")
        return CameraReader(str(path), duration)
    path = local_path(str(path))
    # By way of the text, so that 0.04 s is the very time of the second frame of 25 a second.
    first = Fraction(str(start))
    length = None if duration is None else Fraction(str(duration))
    if path.is_dir():
        return FolderReader(path, first, length, Fraction(rate))
    if not path.exists():
        raise InputError(f"{path}: no such file; give a video, a GIF or a folder of pictures")
    return VideoReader(path, first, length)


class VideoReader:
    """A video file or GIF, open for reading; `info` says what it is."""

    def __init__(self, path: Path, start: Fraction, duration: Fraction | None) -> None:
        self._decoder = Decoder(path, start, duration)
        try:
            self._pictures = self._decoder.pictures()
            self._first = next(self._pictures, None)
            if self._first is None:
                raise InputError(self._why_empty(path, start))
            begin = self._decoder.ticks(self._first)
            origin = round(self._decoder.origin / self._decoder.stream.time_base)
            self._begin = origin if begin is None else begin if start else min(begin, origin)
            self._turn = turn_of(self._first)
            self.info = self._describe(path, duration)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Frame]:
        convert = VideoReformatter()
        look = (self.info.size, self.info.matrix, self.info.full_range, self._turn)
        picture, self._first = self._first, None
        pts = -1
        while picture is not None:
            ticks = self._decoder.ticks(picture)
            pts = pts + 1 if ticks is None else max(ticks - self._begin, pts + 1)
            array = to_rgb(picture, convert, *look)
            yield Frame(to_float(array), pts, picture.duration or 0)
            picture = next(self._pictures, None)

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._decoder.close()

    def _why_empty(self, path: Path, start: Fraction) -> str:
        length = self._decoder.length()
        if start and length:
            span = f"from {float(start):g} s on, it is {float(length):.2f} s long"
            return f"{path}: no frame {span}; give an earlier start"
        return f"{path}: holds no frame that can be decoded; give another video"

    def _describe(self, path: Path, duration: Fraction | None) -> StreamInfo:
        decoder, stream, picture = self._decoder, self._decoder.stream, self._first
        size, aspect = (picture.height, picture.width), stream.sample_aspect_ratio or Fraction(1)
        is_rgb = picture.format.is_rgb
        matrix = UNSPECIFIED if is_rgb else known_matrix(picture.colorspace, size)
        if self._turn[0]:
            size, aspect = size[::-1], 1 / aspect
        begin, length, count = self._begin * stream.time_base, decoder.length(), stream.frames
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        if decoder.is_gif and count and length:
            rate = count / length
        if begin > decoder.origin or duration is not None or not count:
            rest = None if length is None else length - (begin - decoder.origin)
            spans = [span for span in (rest, duration) if span is not None]
            count = max(1, round(min(spans) * rate)) if spans else None
        return StreamInfo(
            size=size,
            rate=rate,
            time_base=stream.time_base,
            frames=count,
            pixel_aspect=aspect,
            matrix=matrix,
            full_range=not is_rgb and is_full_range(picture),
            primaries=UNSPECIFIED if is_rgb else picture.color_primaries,
            transfer=UNSPECIFIED if is_rgb else picture.color_trc,
            loop=_loops(path) if decoder.is_gif else 0,
            path=path,
            begin=begin,
            end=decoder.end,
        )


class FolderReader:
    """A folder of pictures of one size, in natural order, at a constant rate."""

    def __init__(
        self, path: Path, start: Fraction, duration: Fraction | None, rate: Fraction
    ) -> None:
        files = [file for file in path.iterdir() if file.suffix.lower() in PICTURES]
        files.sort(key=lambda file: _natural(file.name))
        if not files:
            kinds = ", ".join(PICTURES)
            raise InputError(f"{path}: no picture in this folder; put some there ({kinds})")
        end = len(files) if duration is None else math.ceil((start + duration) * rate)
        first = math.ceil(start * rate)
        chosen = files[first:end]
        if not chosen:
            length = f"{float(len(files) / rate):.2f} s at {rate} frames a second"
            raise InputError(f"{path}: no frame from {float(start):g} s on, it holds {length}")
        self._files: list[tuple[int, Path]] = []
        size = None
        for index, file in enumerate(chosen):
            found = _picture_size(file)
            if found is None:
                warnings.warn(f"{file}: not a picture, left out", stacklevel=3)
                continue
            size = size or found
            if found != size:
                shapes = f"{found[1]}x{found[0]} where the others are {size[1]}x{size[0]}"
                raise InputError(f"{file}: is {shapes}; bring all to one size")
            self._files.append((index, file))
        if size is None:
            raise InputError(f"{path}: none of its {len(chosen)} pictures can be read")
        self.info = StreamInfo(size, rate, 1 / rate, frames=len(self._files), path=path)

    def __iter__(self) -> Iterator[Frame]:
        for index, file in self._files:
            try:
                with Image.open(file) as picture:
                    array = np.array(ImageOps.exif_transpose(picture).convert("RGB"))
            except (OSError, SyntaxError, ValueError):
                time = float(index / self.info.rate)
                message = f"{file}: the frame at {time:.3f} s cannot be decoded and is left out"
                warnings.warn(message, stacklevel=2)
                continue
            yield Frame(to_float(array), index, 1)

    def __enter__(self) -> "FolderReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._files = []


def _loops(path: Path) -> int | None:
    with Image.open(path) as picture:
        return picture.info.get("loop")


def _natural(name: str) -> list[tuple[int, str]]:
    """Order frame2 before frame10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _picture_size(file: Path) -> tuple[int, int] | None:
    try:
        with Image.open(file) as picture:
            turned = picture.getexif().get(0x0112, 1) >= 5
            return picture.size if turned else picture.size[::-1]
    except (OSError, SyntaxError, ValueError):
        return None
