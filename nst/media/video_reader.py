"""Videos in: files, GIFs, folders of numbered pictures, and by way of `camera` what is live."""

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from av.video.reformatter import VideoReformatter
from PIL import Image

from nst.core.tensors import to_float
from nst.errors import InputError
from nst.media.camera import CameraReader, is_live, local_path
from nst.media.decoder import Decoder
from nst.media.frames import UNSPECIFIED, Frame, StreamInfo
from nst.media.picture_frames import FolderReader, PictureReader
from nst.media.picture_reader import is_picture
from nst.media.yuv import is_full_range, known_matrix, to_rgb, turn_of


def open_video(
    path: str | Path,
    start: float = 0.0,
    duration: float | None = None,
    rate: Fraction = Fraction(25),
    keep_alpha: bool = False,
) -> "VideoReader | FolderReader | PictureReader | CameraReader":
    """Open a video file, a GIF, a picture, a folder of them or a camera, to be iterated once.

    Frames come upright, in the order of time. With a `start`, the first frame from there on has the
    time 0; without one the clock is the file's own, moved only so that what comes first, picture or
    sound, is not before 0 nor after it. A frame that cannot be decoded is left out with a warning.
    YUV without a named matrix is BT.709 from 1280 pixels width or above 576 lines, else BT.601.

    Args:
        start: seconds from the beginning.
        duration: seconds from `start`; None is all.
        rate: frames a second of a folder, or of a picture that does not move; others have theirs.
        keep_alpha: frames of pictures have their alpha; else they are laid on white.

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
        return FolderReader(path, first, length, Fraction(rate), keep_alpha)
    if not path.exists():
        raise InputError(f"{path}: no such file; give a video, a GIF or a folder of pictures")
    if path.is_file() and is_picture(path) and not _is_video_too(path):
        return PictureReader(path, first, length, Fraction(rate), keep_alpha)
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
            begin = self._first.pts
            origin = round(self._decoder.origin / self._decoder.stream.time_base)
            self._begin = begin if start else min(begin, origin)
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
            pts = max(picture.pts - self._begin, pts + 1)
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


def _is_video_too(path: Path) -> bool:
    """Tell a GIF, and JPEGs one after the other, from a picture."""
    if path.suffix.lower() in (".mjpeg", ".mjpg"):
        return True
    with open(path, "rb") as file:
        return file.read(4) == b"GIF8"


def _loops(path: Path) -> int | None:
    with Image.open(path) as picture:
        return picture.info.get("loop")
