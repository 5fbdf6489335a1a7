"""The pictures of a video file: a span of it, in the order of time, in spite of damage."""

import heapq
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av

from nst.errors import InputError

CURE = "give a video (mp4, mkv, mov, webm, avi), a GIF or a folder of pictures"


class Decoder:
    """The picture stream of a file, open from `start` on for `duration` seconds.

    `origin` is the time in the file that is 0 to its viewer, `end` that where the span ends.
    """

    def __init__(self, path: Path, start: Fraction, duration: Fraction | None) -> None:
        self._path = path
        self._open()
        self.origin = _origin(self.container, self.stream)
        self._start = self.origin + start
        self.end = None if duration is None else self._start + duration

    def pictures(self) -> Iterator[av.VideoFrame]:
        """Yield the pictures of the span, with a warning for each that cannot be decoded."""
        whole = self._start == self.origin
        for picture in self._decode() if whole else self._seek():
            ticks = self.ticks(picture)
            time = self._start if ticks is None else ticks * self.stream.time_base
            if self.end is not None and time >= self.end:
                return
            if whole or time >= self._start:
                yield picture

    def length(self) -> Fraction | None:
        """Return the file's length in seconds, where it says so."""
        if self.stream.duration:
            return self.stream.duration * self.stream.time_base
        if self.container.duration:
            return Fraction(self.container.duration, av.time_base)
        return None

    def ticks(self, picture: av.VideoFrame) -> int | None:
        """Return the time of a picture in the stream's time base, where it has one."""
        return picture.dts if picture.pts is None else picture.pts

    def close(self) -> None:
        self.container.close()

    def _open(self) -> None:
        try:
            self.container = av.open(os.path.abspath(self._path))
        except (av.FFmpegError, OSError) as error:
            reason = "it is another kind of file or cut short"
            if isinstance(error, PermissionError):
                reason = "permission denied"
            raise InputError(f"{self._path}: cannot be read as a video, {reason}; {CURE}") from None
        cover = av.stream.Disposition.attached_pic
        pictures = [s for s in self.container.streams.video if not s.disposition & cover]
        problem = None
        if not pictures or self.container.format.name == "tty":
            problem = "has no picture stream"
        elif pictures[0].codec_context is None:
            problem = "has a picture stream of an unknown codec"
        elif _cut_short(pictures[0], self._path):
            problem = "is cut short: its index names pictures that are not there"
        if problem:
            self.container.close()
            raise InputError(f"{self._path}: {problem}; {CURE}")
        self.stream = pictures[0]
        self.is_gif = self.container.format.name == "gif"
        self.stream.thread_type = "AUTO"

    def _seek(self) -> Iterator[av.VideoFrame]:
        """Decode from the last key frame before the span, or from the beginning if that fails."""
        if self.container.format.name not in ("gif", "avi"):
            with suppress(av.FFmpegError):
                start = math.floor(self._start / self.stream.time_base)
                self.container.seek(start, stream=self.stream)
                decoded = self._decode(after_seek=True)
                first = next(decoded, None)
                if first and (self.ticks(first) or 0) <= start:
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
        for packet in self._packets():
            sent = packet.dts if by_order else packet.pts
            if sent is not None and packet.size and not packet.is_discard:
                heapq.heappush(waiting, sent)
            try:
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

    def _packets(self) -> Iterator[av.Packet]:
        """Yield the stream's packets, and go on after a damaged place in the file."""
        for _ in range(100):
            try:
                yield from self.container.demux(self.stream)
                return
            except av.FFmpegError:
                continue
        warnings.warn(f"{self._path}: cannot be read to its end", stacklevel=2)

    def _warn(self, ticks: int | None) -> None:
        time = self._start if ticks is None else ticks * self.stream.time_base
        if time < self._start or (self.end is not None and time >= self.end):
            return
        known = "of an unknown time" if ticks is None else f"at {float(time - self.origin):.3f} s"
        message = f"{self._path}: the frame {known} cannot be decoded and is left out"
        warnings.warn(message, stacklevel=2)


def _origin(container: av.container.InputContainer, stream: av.VideoStream) -> Fraction:
    """Return the time in the file that is 0 to its viewer."""
    played = [stream, *container.streams.audio]
    starts = [s.start_time * s.time_base for s in played if s.start_time is not None]
    earliest = min(starts, default=Fraction(0))
    if earliest >= 0:
        return earliest
    # Sound that begins just before 0 is an encoder's run-up, and players skip it.
    return min(Fraction(0), (stream.start_time or 0) * stream.time_base)


def _cut_short(stream: av.VideoStream, path: Path) -> bool:
    if not len(stream.index_entries):
        return False
    last = stream.index_entries[-1]
    return last.pos + last.size > path.stat().st_size
