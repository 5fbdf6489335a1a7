"""Videos in: files, GIFs, folders of numbered pictures, and by way of `camera` what is live."""

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from av import VideoFrame
from av.video.reformatter import VideoReformatter
from PIL import Image

from nst.core.progress import warn
from nst.core.tensors import to_float
from nst.errors import InputError
from nst.media.camera import CameraReader, is_live, local_path
from nst.media.decoder import Decoder
from nst.media.deinterlace import deinterlaced
from nst.media.frames import BT709, UNSPECIFIED, Frame, StreamInfo, on_white
from nst.media.hdr import ToSdr, in_words, needs_conversion, peak_of
from nst.media.picture_file import is_picture
from nst.media.picture_frames import FolderReader, PictureReader
from nst.media.yuv import has_alpha, is_deep, is_full_range, known_matrix, to_rgb, turn_of


def open_video(
    path: str | Path,
    start: float = 0.0,
    duration: float | None = None,
    rate: Fraction = Fraction(25),
    keep_alpha: bool = False,
    deinterlace: bool = False,
    device: torch.device | None = None,
    hwaccel: str = "none",
) -> "VideoReader | FolderReader | PictureReader | CameraReader":
    """Open a video file, a GIF, a picture, a folder of them or a camera, to be iterated once.

    Frames come upright, in the order of time. With a `start`, the first frame from there on has the
    time 0; without one the clock is the file's own, moved only so that what comes first, picture or
    sound, is not before 0 nor after it. A frame that cannot be decoded is left out with a warning.
    YUV without a named matrix is BT.709 from 1280 pixels width or above 576 lines, else BT.601. HDR
    and wide gamuts are brought to BT.709's SDR, see `nst.media.hdr`; of 10 bits and more all count.

    Args:
        start: seconds from the beginning.
        duration: seconds from `start`; None is all.
        rate: frames a second of a folder, or of a picture that does not move; others have theirs.
        keep_alpha: frames have their alpha, where there is one; else they are laid on white.
        deinterlace: make one picture of the two that interlaced ones are woven of.
        device: where a video file's frames may be, if they go there in 8 bits; None is the CPU.
        hwaccel: auto decodes a video file on the GPU that `device` is, where FFmpeg can.

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
    if not path.is_file():
        raise InputError(f"{path}: is a pipe or a device; save what it gives as a file")
    if is_picture(path) and not _is_video_too(path):
        return PictureReader(path, first, length, Fraction(rate), keep_alpha)
    return VideoReader(path, first, length, keep_alpha, deinterlace, device, hwaccel)


class VideoReader:
    """A video file or GIF, open for reading; `info` says what it is."""

    def __init__(
        self,
        path: Path,
        start: Fraction,
        duration: Fraction | None,
        keep_alpha: bool = False,
        deinterlace: bool = False,
        device: torch.device | None = None,
        hwaccel: str = "none",
    ) -> None:
        self._keep_alpha, self._device = keep_alpha, device
        on_gpu = hwaccel == "auto" and device is not None and device.type == "cuda"
        self._decoder = Decoder(path, start, duration, device.index or 0 if on_gpu else None)
        try:
            self._pictures = self._decoder.pictures()
            if deinterlace:
                self._pictures = deinterlaced(self._pictures, self._decoder.stream)
            self._first = next(self._pictures, None)
            if self._first is None:
                raise InputError(self._why_empty(path, start))
            begin = self._first.pts
            origin = round(self._decoder.origin / self._decoder.stream.time_base)
            self._begin = begin if start else min(begin, origin)
            self._turn = turn_of(self._first)
            if self._first.interlaced_frame and not deinterlace:
                message = "is interlaced, and its combs will be painted: give --deinterlace"
                warn(f"{path}: {message}")
            self._to_sdr = self._conversion(path)
            self.info = self._describe(path, duration)
            self._waiting, self._pts = self._first, -1
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Frame]:
        convert = VideoReformatter()
        while (picture := self._next()) is not None:
            yield self._frame(picture, convert, self._pts)

    def skip(self, count: int) -> int:
        """Leave out so many frames, for the cost of decoding them; return how many there were."""
        for skipped in range(count):
            if self._next() is None:
                return skipped
        return count

    def _next(self) -> VideoFrame | None:
        """Return the next picture, None at the end; its time is `_pts`."""
        picture, self._waiting = self._waiting or next(self._pictures, None), None
        if picture is not None:
            self._pts = max(picture.pts - self._begin, self._pts + 1)
        return picture

    def _frame(self, picture: VideoFrame, convert: VideoReformatter, pts: int) -> Frame:
        transparent = has_alpha(picture.format.name) or _has_palette(picture)
        if is_deep(picture) or self._to_sdr:
            kind = "gbrap16le" if transparent else "gbrp16le"
        else:
            kind = "rgba" if transparent else "rgb24"
        look = (self.info.size, self._matrix, self._full_range, self._turn)
        array = to_rgb(picture, convert, *look, kind)
        top = np.iinfo(array.dtype).max
        colors = array[..., :3]
        if self._to_sdr:
            image = self._to_sdr(colors)
        elif array.dtype == np.uint16:
            image = torch.from_numpy(colors.astype(np.float32) / top).permute(2, 0, 1)[None]
        else:
            device = None if transparent else self._device
            image = to_float(np.ascontiguousarray(colors), device)
        duration = picture.duration or 0
        if not transparent or (self._decoder.is_gif and array[..., 3].min() == top):
            return Frame(image.contiguous(), pts, duration)
        levels = array[..., 3].astype(np.float32) / top
        alpha = torch.from_numpy(levels)[None, None]
        if not self._keep_alpha:
            return Frame(on_white(image, alpha), pts, duration)
        # What does not show has any color: white is what pictures take there.
        return Frame(torch.where(alpha > 0, image, 1.0).contiguous(), pts, duration, alpha)

    def _conversion(self, path: Path) -> ToSdr | None:
        """Return what brings this stream to SDR, with a word on it; None where it is SDR."""
        picture = self._first
        transfer, primaries = picture.color_trc, picture.color_primaries
        if picture.format.is_rgb or not needs_conversion(transfer, primaries):
            return None
        peak = peak_of(picture)
        warn(f"{path}: {in_words(transfer, peak)}")
        return ToSdr(transfer, primaries, peak)

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
        self._matrix = matrix = UNSPECIFIED if is_rgb else known_matrix(picture.colorspace, size)
        self._full_range = not is_rgb and is_full_range(picture)
        primaries = UNSPECIFIED if is_rgb else picture.color_primaries
        transfer = UNSPECIFIED if is_rgb else picture.color_trc
        if self._to_sdr:
            matrix = primaries = transfer = BT709
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
            full_range=self._full_range,
            primaries=primaries,
            transfer=transfer,
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


def _has_palette(picture: VideoFrame) -> bool:
    return picture.format.name == "pal8"


def _loops(path: Path) -> int | None:
    with Image.open(path) as picture:
        return picture.info.get("loop")
