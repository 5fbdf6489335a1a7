"""A video file out of pictures and their times, with the sound of another."""

import os
import warnings
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter

from nst.errors import InputError
from nst.media.frames import StreamInfo
from nst.media.yuv import from_rgb, known_matrix

# Sound that a container cannot hold as it is becomes this.
SOUND = {".mp4": "aac", ".mkv": "aac", ".mov": "aac", ".webm": "libopus", ".avi": "libmp3lame"}


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
        self._container = av.open(os.path.abspath(path), "w", container_options=form)
        try:
            if av.Codec(codec, "w").type != "video":
                raise ValueError("it encodes no pictures")
            trial = av.CodecContext.create(codec, "w")
            trial.options = options
            self._set_up(trial, 64, 64)
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
            self._sound = _Sound(self._container, sound, info, SOUND[suffix])

    def write(self, array: np.ndarray, pts: int, duration: int) -> None:
        context = self._stream.codec_context
        array = self._padded(array)
        if not self._started:
            self._set_up(context, array.shape[0], round(array.shape[1] * self._stretch))
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

    def _set_up(self, context: av.VideoCodecContext, height: int, width: int) -> None:
        info, formats = self._info, [f.name for f in context.codec.video_formats or []]
        context.height, context.width = height, width
        context.pix_fmt = formats[0] if formats and "yuv420p" not in formats else "yuv420p"
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


class _Sound:
    """The sound tracks of a file on their way into another, cut to the span that `info` names."""

    def __init__(
        self, container: av.container.OutputContainer, path: Path, info: StreamInfo, spare: str
    ) -> None:
        self._container, self._info = container, info
        self._source = av.open(os.path.abspath(path))
        for stream in self._source.streams:
            if stream.type != "audio":
                stream.discard = av.stream.Discard.all
        self._tracks: dict[int, av.AudioStream] = {}
        self._copied: set[int] = set()
        for track in self._source.streams.audio:
            if track.codec_context is None:
                warnings.warn(f"{path}: sound of an unknown codec is left out", stacklevel=4)
                continue
            if _can_hold(container.format.name, track):
                copy = container.add_stream_from_template(track)
                self._copied.add(track.index)
            else:
                rate = 48000 if spare == "libopus" else track.rate
                copy = container.add_stream(spare, rate=rate, layout=track.layout.name)
            self._tracks[track.index] = copy
        if info.begin > 0:
            with suppress(av.FFmpegError):
                self._source.seek(int(info.begin * av.time_base))
        self._packets = self._read()
        self._next = next(self._packets, None)
        self._late: dict[int, int] = {}

    def copy(self, until: Fraction | None) -> None:
        """Send on what begins before `until`, in seconds of the output; None is all."""
        while self._next and (until is None or self._next[0] < until):
            self._send(self._next[1])
            self._next = next(self._packets, None)

    def close(self) -> None:
        self._source.close()

    def finish(self) -> None:
        """Send on what the encoders still hold."""
        for index in self._tracks.keys() - self._copied:
            self._mux(index, self._tracks[index].encode(None))

    def _read(self) -> Iterator[tuple[Fraction, av.Packet]]:
        tracks = [self._source.streams[index] for index in self._tracks]
        info, ended = self._info, set()
        with suppress(av.FFmpegError):
            for packet in self._source.demux(tracks) if tracks else ():
                ticks = packet.dts if packet.pts is None else packet.pts
                if ticks is None:
                    continue
                time = ticks * packet.time_base
                if info.end is not None and time >= info.end:
                    ended.add(packet.stream.index)
                    if len(ended) == len(tracks):
                        return
                    continue
                if time >= info.begin or info.begin <= 0:
                    yield time - info.begin, packet

    def _send(self, packet: av.Packet) -> None:
        index = packet.stream.index
        track = self._tracks[index]
        if index in self._copied:
            shift = round(self._info.begin / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.dts = None if packet.dts is None else packet.dts - shift
            packet.stream = track
            self._mux(index, [packet])
            return
        with suppress(av.InvalidDataError):
            for frame in packet.decode():
                if frame.pts is not None:
                    frame.pts -= round(self._info.begin / frame.time_base)
                self._mux(index, track.encode(frame))

    def _mux(self, index: int, packets: list[av.Packet]) -> None:
        for packet in packets:
            if self._container.format.name == "avi":
                # It has nothing before 0, and would move the pictures to make room.
                late = self._late.setdefault(index, max(0, -(packet.dts or 0)))
                packet.dts, packet.pts = (packet.dts or 0) + late, (packet.pts or 0) + late
            self._container.mux(packet)


def _can_hold(kind: str, track: av.AudioStream) -> bool:
    """Try it: a container's list of codecs promises more than its header can say."""
    with av.open(BytesIO(), "w", format=kind) as trial:
        try:
            trial.add_stream_from_template(track)
            trial.start_encoding()
        except (ValueError, av.FFmpegError):
            return False
    return True
