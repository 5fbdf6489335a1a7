"""A video file out of pictures and their times, with the sound of another."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter

from nst.errors import InputError
from nst.media.frames import StreamInfo
from nst.media.sound import EXPERIMENTAL, Sound
from nst.media.yuv import from_rgb, has_alpha, known_matrix

# NVIDIA's encoder of H.264, in FFmpeg; not every GPU has one.
NVENC = "h264_nvenc"


def working_codec(codec: str) -> str | None:
    """Return a codec when it opens on this machine, else None."""
    try:
        trial = av.CodecContext.create(codec, "w")
        trial.width, trial.height, trial.pix_fmt = 256, 256, "yuv420p"
        trial.time_base = Fraction(1, 25)
        trial.open()
    except (ValueError, av.FFmpegError):
        return None
    return codec


class FileEncoder:
    """A video file: pictures through an encoder, and the sound of `sound` beside them."""

    def __init__(
        self,
        path: Path,
        info: StreamInfo,
        codec: str,
        options: dict[str, str],
        sound: Path | None,
        threads: int,
        pix_fmt: str | None = None,
    ) -> None:
        self._info, self._codec, self._threads = info, codec, threads
        self._convert = VideoReformatter()
        suffix = path.suffix.lower()
        self._time_base, self._aspect = info.time_base, info.pixel_aspect
        self._stretch = Fraction(1)
        if suffix == ".webm":
            # VP9 has no word for it, and PyAV none to say it to the container.
            self._stretch, self._aspect = self._aspect, Fraction(1)
        if suffix == ".avi":
            # It counts frames and has no other clock, so neither may they change places.
            self._time_base = 1 / info.rate
            options = options | {"bf": "0"}
        # Sound's run-up before 0 is not to move the pictures, nor whole milliseconds to round it.
        form = {"avoid_negative_ts": "disabled"} if suffix in (".mkv", ".webm") else {}
        if suffix in (".mp4", ".mov"):
            form = {"movflags": "+faststart", "movie_timescale": "90000"}
        self._counts_by_decoding = suffix in (".mp4", ".mov")
        form |= EXPERIMENTAL
        self._container = av.open(os.path.abspath(path), "w", container_options=form)
        try:
            if av.Codec(codec, "w").type != "video":
                raise ValueError("it encodes no pictures")
            trial = av.CodecContext.create(codec, "w")
            formats = [f.name for f in trial.codec.video_formats or []]
            if pix_fmt and pix_fmt not in formats:
                raise InputError(f"codec {codec} has no {pix_fmt}: it has {', '.join(formats)}")
            self._opaque, self._with_alpha = pixel_formats(codec, formats, pix_fmt)
            self.holds_alpha = self._with_alpha is not None and suffix != ".avi"
            self.depth = 8 if av.VideoFormat(self._opaque).components[0].bits == 8 else 16
            trial.options = options
            self._set_up(trial, 64, 64, False)
            trial.open()
            self._stream = self._container.add_stream(codec, rate=info.rate, options=options)
            if suffix in (".mp4", ".mov") and trial.codec.canonical_name == "hevc":
                self._stream.codec_context.codec_tag = "hvc1"  # Apple's players open no other
        except (ValueError, av.FFmpegError) as error:
            given = ", ".join(f"{name} {value}" for name, value in options.items())
            message = f"codec {codec} with {given} cannot write {suffix} files ({error})"
            raise InputError(f"{message}; give others") from None
        self._started = False
        self._last = -1
        self._end = Fraction(0)
        self._ahead: int | None = None
        self._sound = None
        if sound and sound.is_file():
            self._sound = Sound(self._container, sound, info, suffix)

    def write(self, array: np.ndarray, pts: int, duration: int) -> None:
        context = self._stream.codec_context
        array = self._padded(array)
        if not self._started:
            width = round(array.shape[1] * self._stretch)
            self._set_up(context, array.shape[0], width, array.shape[2] == 4)
            self._started = True
        ticks = max(round(pts * self._info.time_base / self._time_base), self._last + 1)
        look = (context.pix_fmt, context.colorspace, self._info.full_range)
        frame = from_rgb(array, self._convert, context.width, *look)
        frame.pts, frame.time_base = ticks, self._time_base
        frame.duration = round(duration * self._info.time_base / self._time_base)
        self._last = ticks
        length = duration * self._info.time_base or 1 / self._info.rate
        self._end = ticks * self._time_base + length
        packets = self._stream.encode(frame)
        if packets and self._ahead is None:
            self._ahead = packets[0].pts - packets[0].dts
        self._container.mux(packets)
        if self._sound:
            self._sound.copy(ticks * self._time_base)

    def finish(self, complete: bool) -> None:
        packets = self._stream.encode(None)
        if packets and self._counts_by_decoding:
            # What is decoded last ends the track, though another picture be shown last.
            if self._ahead is None:
                self._ahead = packets[0].pts - packets[0].dts
            end = round(self._end / self._time_base)
            packets[-1].duration = max(1, end - packets[-1].dts - self._ahead)
        self._container.mux(packets)
        if self._sound:
            self._sound.copy(None if complete else self._end)
            self._sound.finish()
            self._sound.close()
        self._container.close()

    def abort(self) -> None:
        if self._sound:
            self._sound.close()
        self._container.close()

    def _set_up(self, context: av.VideoCodecContext, height: int, width: int, alpha: bool) -> None:
        info = self._info
        context.height, context.width = height, width
        context.pix_fmt = self._with_alpha if alpha else self._opaque
        if alpha and self._codec.startswith("libvpx"):
            context.options = context.options | {"auto-alt-ref": "0"}  # it knows no alpha
        context.time_base, context.framerate = self._time_base, info.rate
        context.sample_aspect_ratio = self._aspect
        context.thread_count = self._threads
        # Without it the last frame is shown for a mean frame's time.
        context.flags |= av.codec.context.Flags.frame_duration
        context.colorspace = known_matrix(info.matrix, (height, width))
        context.color_range = ColorRange.JPEG if info.full_range else ColorRange.MPEG
        context.color_primaries, context.color_trc = info.primaries, info.transfer

    def _padded(self, array: np.ndarray) -> np.ndarray:
        height, width = array.shape[:2]
        if self._codec.startswith("libvpx") or not (height % 2 or width % 2):
            return array
        return np.pad(array, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def pixel_formats(codec: str, formats: list[str], wanted: str | None) -> tuple[str, str | None]:
    """Return the format to write and, where the codec has one, that with alpha."""
    # x265 lists alpha, but no player shows it.
    alpha = [name for name in formats if has_alpha(name) and codec != "libx265"]
    opaque = [name for name in formats if not has_alpha(name)]
    if wanted:
        return wanted, wanted if wanted in alpha else None
    first = "yuv420p" if "yuv420p" in opaque or not opaque else opaque[0]
    deep = av.VideoFormat(first).components[0].bits
    alike = [name for name in alpha if av.VideoFormat(name).components[0].bits == deep]
    return first, next(iter(alike), None)
