"""The pictures of a video file: a span of it, in the order of time, in spite of damage."""

import heapq
import math
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av

from nst.core.progress import warn
from nst.errors import InputError
from nst.media.demux import may_reset, open_media, packets, played_streams

CURE = "give a video (mp4, mkv, mov, webm, avi), a GIF or a folder of pictures"
# A file that ends by so many seconds earlier than it announces has lost its end.
LOST_END = Fraction(1, 2)


class Decoder:
    """The picture stream of a file, open from `start` on for `duration` seconds.

    Of several streams it is the largest. With `gpu`, the number of a CUDA device, it decodes there
    where FFmpeg and the codec can; its pictures come to the host all the same. `origin` is the time
    in the file that is 0 to its viewer, `end` that where the span ends.
    """

    def __init__(
        self, path: Path, start: Fraction, duration: Fraction | None, gpu: int | None = None
    ) -> None:
        self._path, self._gpu = path, gpu
        self._open()
        self.origin = _origin(self.container, self.stream)
        self._start = self.origin + start
        self.end = None if duration is None else self._start + duration

    def pictures(self) -> Iterator[av.VideoFrame]:
        """Yield the pictures of the span, each with a time, and warn of what cannot be decoded.

        A picture without a time follows the one before it.
        """
        whole, clock = self._start == self.origin, _Clock(self._mean_ticks())
        for picture in self._decode() if whole else self._seek():
            picture.pts = clock.time_of(picture)
            time = picture.pts * self.stream.time_base
            if self.end is not None and time >= self.end:
                return
            if whole or time >= self._start:
                yield picture
        self._warn_of_lost_end(clock.end * self.stream.time_base)

    def length(self) -> Fraction | None:
        """Return the file's length in seconds, where it says so."""
        if self.stream.duration:
            return self.stream.duration * self.stream.time_base
        if self.container.duration:
            return Fraction(self.container.duration, av.time_base)
        return None

    def close(self) -> None:
        self.container.close()

    def _open(self) -> None:
        path, hardware = self._path, _hardware(self._gpu)
        try:
            try:
                self.container = open_media(path, **hardware)
            except (av.FFmpegError, OSError):
                if not hardware:
                    raise
                self.container = open_media(path)  # the GPU's decoder cannot be opened here
        except (av.FFmpegError, OSError) as error:
            reason = "it is another kind of file or cut short"
            if isinstance(error, PermissionError):
                reason = "permission denied"
            raise InputError(f"{self._path}: cannot be read as a video, {reason}; {CURE}") from None
        cover = av.stream.Disposition.attached_pic
        pictures = [s for s in self.container.streams.video if not s.disposition & cover]
        known = [s for s in pictures if s.codec_context is not None]
        problem = None
        if not pictures or self.container.format.name == "tty":
            problem = "has no picture stream"
        elif not known:
            problem = "has a picture stream of an unknown codec"
        if problem:
            self.container.close()
            raise InputError(f"{self._path}: {problem}; {CURE}")
        self.stream = max(known, key=lambda s: (s.width * s.height, s.frames))
        self.is_gif = self.container.format.name == "gif"
        self.stream.thread_type = "AUTO"
        self._alpha_decoder: Any = None
        if self.stream.metadata.get("alpha_mode") == "1" and self.stream.name in ("vp8", "vp9"):
            # FFmpeg's own decoders of these leave the alpha out.
            with suppress(ValueError):
                self._alpha_decoder = av.CodecContext.create(f"libvpx-{self.stream.name}", "r")

    def _mean_ticks(self) -> int:
        rate = self.stream.average_rate or self.stream.guessed_rate or Fraction(25)
        return max(1, round(1 / rate / self.stream.time_base))

    def _seek(self) -> Iterator[av.VideoFrame]:
        """Decode from the last key frame before the span, or from the beginning if that fails."""
        if may_reset(self.container):
            return self._decode(after_seek=True)
        if self.container.format.name not in ("gif", "avi"):
            with suppress(av.FFmpegError):
                start = math.floor(self._start / self.stream.time_base)
                self.container.seek(start, stream=self.stream)
                decoded = self._decode(after_seek=True)
                first = next(decoded, None)
                if first and (first.pts or first.dts or 0) <= start:
                    return chain([first], decoded)
            self.close()
            self._open()
        return self._decode()

    def _decode(self, after_seek: bool = False) -> Iterator[av.VideoFrame]:
        """Yield every picture, and warn of those that were sent to the decoder and never came."""
        # VP8 has packets that show nothing, interlaced video two for one picture, and AVI knows
        # only when to decode: there the pictures take these times in their order.
        by_order = self.container.format.name == "avi"
        countable = not by_order and self.stream.codec_context.name != "vp8"
        waiting: list[int] = []
        for packet in self._packets(skip=after_seek):
            sent = packet.dts if by_order else packet.pts
            if sent is not None and packet.size and not packet.is_discard:
                heapq.heappush(waiting, sent)
            try:
                if self._alpha_decoder:
                    pictures = self._alpha_decoder.decode(packet if packet.size else None)
                else:
                    pictures = packet.decode()
            except av.FFmpegError:
                if by_order and sent in waiting:
                    waiting.remove(sent)
                    heapq.heapify(waiting)
                if not countable or sent is None:
                    self._warn(packet.dts)
                continue
            for picture in pictures:
                countable = countable and not picture.interlaced_frame
                if by_order and waiting:
                    picture.pts = heapq.heappop(waiting)
                while waiting and picture.pts is not None and waiting[0] <= picture.pts:
                    missing = heapq.heappop(waiting)
                    # What precedes the first picture after a seek needs what precedes the seek.
                    if missing < picture.pts and countable and not after_seek:
                        self._warn(missing)
                after_seek = False
                yield picture
        for missing in sorted(waiting) if countable and not after_seek else ():
            self._warn(missing)

    def _packets(self, skip: bool) -> Iterator[av.Packet]:
        """Yield the stream's packets.

        Where the clock may be set anew no seek finds a time, so with `skip` those before the span
        are read and left out, up to the last key frame.
        """
        kept: list[av.Packet] = []
        skip = skip and may_reset(self.container)
        for packet in packets(
            self.container, played_streams(self.container, [self.stream]), self._path
        ):
            if packet.stream.index != self.stream.index:
                continue
            if not skip:
                yield packet
                continue
            time = packet.dts if packet.pts is None else packet.pts
            begins = time is None or time * self.stream.time_base >= self._start
            if packet.is_keyframe and not begins:
                kept = []
            kept.append(packet)
            if begins or not packet.size:
                skip = False
                yield from kept
        if skip:
            yield from kept

    def _warn(self, ticks: int | None) -> None:
        time = self._start if ticks is None else ticks * self.stream.time_base
        if time < self._start or (self.end is not None and time >= self.end):
            return
        known = "of an unknown time" if ticks is None else f"at {float(time - self.origin):.3f} s"
        message = f"{self._path}: the frame {known} cannot be decoded and is left out"
        warn(message)

    def _warn_of_lost_end(self, end: Fraction) -> None:
        """Say so where the pictures end before what the file's header announces."""
        if not self._has_lost_end(end):
            return
        length = self._announced()
        of = f" of {float(length):.2f} s" if length else ""
        message = f"is cut short: its pictures end at {float(end - self.origin):.2f} s{of}"
        warn(f"{self._path}: {message}")

    def _has_lost_end(self, end: Fraction) -> bool:
        stream = self.stream
        if _index_is_cut(stream, self._path):
            return True
        if self.container.format.name not in ("matroska,webm", "avi", "asf"):
            return False  # its length is an estimate
        length = self._announced()
        if length is None:
            return False
        # FFmpeg writes of a Matroska file when it ends, whenever it begins.
        until = length - LOST_END
        return end < until and not self._goes_on(until)

    def _announced(self) -> Fraction | None:
        """Return the length of the pictures, in seconds, by the file's header."""
        stream = self.stream
        if self.container.format.name == "avi" and stream.frames and stream.average_rate:
            return stream.frames / stream.average_rate
        return _tagged_length(stream) or self.length()

    def _goes_on(self, until: Fraction) -> bool:
        """Tell whether anything of the file, sound perhaps, reaches a time."""
        with suppress(av.FFmpegError), open_media(self._path) as container:
            container.seek(int(until * av.time_base))
            for packet in container.demux():
                if packet.size and packet.pts is not None and packet.pts * packet.time_base > until:
                    return True
        return False


class _Clock:
    """The times of decoded pictures, as FFmpeg guesses them where the file's are missing or wrong.

    It takes a picture's own time, or where such times go back more often than those at which the
    packets are to be decoded, the latter.

    Args:
        mean: ticks from a picture to the next.
    """

    def __init__(self, mean: int) -> None:
        self._mean = mean
        self._faulty_pts = self._faulty_dts = 0
        self._last_pts = self._last_dts = -math.inf
        self.end = 0

    def time_of(self, picture: av.VideoFrame) -> int:
        pts, dts = picture.pts, picture.dts
        if dts is not None:
            self._faulty_dts += dts <= self._last_dts
            self._last_dts = dts
        if pts is not None:
            self._faulty_pts += pts <= self._last_pts
            self._last_pts = pts
        time = dts
        if pts is not None and (dts is None or self._faulty_pts <= self._faulty_dts):
            time = pts
        time = self.end if time is None else time
        self.end = time + (picture.duration or self._mean)
        return time


def _hardware(gpu: int | None) -> dict:
    """Return how to ask `av.open` for hardware decoding, nothing where there is none."""
    if gpu is None:
        return {}
    try:
        from av.codec.hwaccel import HWAccel, hwdevices_available
    except ImportError:  # an older PyAV
        return {}
    if "cuda" not in hwdevices_available():
        return {}
    return {"hwaccel": HWAccel("cuda", device=str(gpu), allow_software_fallback=True)}


def _origin(container: av.container.InputContainer, stream: av.VideoStream) -> Fraction:
    """Return the time in the file that is 0 to its viewer."""
    played = [stream, *container.streams.audio]
    starts = [s.start_time * s.time_base for s in played if s.start_time is not None]
    earliest = min(starts, default=Fraction(0))
    if earliest >= 0:
        return earliest
    # Sound that begins just before 0 is an encoder's run-up, and players skip it.
    return min(Fraction(0), (stream.start_time or 0) * stream.time_base)


def _index_is_cut(stream: av.VideoStream, path: Path) -> bool:
    """Tell whether an index names pictures that are not in the file."""
    if not len(stream.index_entries):
        return False
    last = stream.index_entries[-1]
    return last.pos + last.size > path.stat().st_size


def _tagged_length(stream: av.VideoStream) -> Fraction | None:
    """Return a Matroska track's length in seconds, which its writer may have put into a tag."""
    parts = stream.metadata.get("DURATION", "").split(":")
    try:
        hours, minutes, seconds = (Fraction(part) for part in parts)
    except ValueError:
        return None
    return hours * 3600 + minutes * 60 + seconds
