"""The packets of a file on one clock, its jumps closed as FFmpeg's command-line tool does it."""

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.format import Flags

from nst.core.progress import warn

# FFmpeg's own limits: a broadcast's clock may be set anew, elsewhere a time this far off is wrong.
LARGEST_JUMP, LARGEST_STEP_BACK = 10, Fraction(1, 10)
IMPOSSIBLE = 30 * 3600


def open_media(path: Path, **options: Any) -> av.container.InputContainer:
    """Open a file for reading, in whatever encoding its titles are.

    Args:
        options: of `av.open`.

    Raises:
        av.FFmpegError, OSError: there is no such file, or FFmpeg knows no such kind.
    """
    # By its absolute path, which FFmpeg does not take for an address, such as "12:30.mp4".
    return av.open(os.path.abspath(path), metadata_errors="replace", **options)


def packets(
    container: av.container.InputContainer, streams: Sequence[av.stream.Stream], path: Path
) -> Iterator[av.Packet]:
    """Yield the packets of streams in the file's order, and go on after a damaged place.

    In formats whose clock may be set anew (MPEG's transport and program streams, Ogg), a jump is
    closed: what follows goes on where the last packet ended. All pictures and sound of the file
    have to be among the streams for the jumps to be found.
    """
    clock = _Clock(may_reset(container))
    for _ in range(100):
        try:
            for packet in container.demux(streams):
                if packet.size:
                    clock.set(packet)
                yield packet
            return
        except av.FFmpegError:
            continue
    warn(f"{path}: cannot be read to its end")


def may_reset(container: av.container.InputContainer) -> bool:
    """Tell whether the clock of a file's format may jump, as that of a broadcast does."""
    return bool(container.format.flags & Flags.ts_discont.value)


def played_streams(
    container: av.container.InputContainer, chosen: Sequence[av.stream.Stream]
) -> list[av.stream.Stream]:
    """Return the streams to demux for the chosen ones: all that a jump would show in."""
    if not may_reset(container):
        return list(chosen)
    return [s for s in container.streams if s.type in ("video", "audio")]


class _Clock:
    """The offset that closes the jumps so far, as FFmpeg's command-line tool keeps it."""

    def __init__(self, resets: bool) -> None:
        self._resets = resets
        self._offset = Fraction(0)
        self._begun: dict[int, Fraction] = {}
        self._next: dict[int, Fraction] = {}
        self._last: Fraction | None = None

    def set(self, packet: av.Packet) -> None:
        """Put a packet's times right."""
        index, base = packet.stream.index, packet.time_base
        self._shift(packet, self._offset)
        if packet.dts is None:
            self._go_on(index, packet)
            return
        time = packet.dts * base
        expected = self._next.get(index, self._last if self._resets else None)
        if expected is not None:
            jump = time - expected
            back = time + LARGEST_STEP_BACK < self._begun.get(index, time)
            if self._resets and (abs(jump) > LARGEST_JUMP or back):
                self._offset -= jump
                self._shift(packet, -jump)
            elif not self._resets and abs(jump) > IMPOSSIBLE:
                packet.dts = None
                if packet.pts is not None and abs(packet.pts * base - expected) > IMPOSSIBLE:
                    packet.pts = None
        self._go_on(index, packet)

    def _shift(self, packet: av.Packet, seconds: Fraction) -> None:
        ticks = round(seconds / packet.time_base)
        if ticks:
            packet.dts = None if packet.dts is None else packet.dts + ticks
            packet.pts = None if packet.pts is None else packet.pts + ticks

    def _go_on(self, index: int, packet: av.Packet) -> None:
        length = packet.duration * packet.time_base if packet.duration else None
        if length is None and packet.stream.type == "video" and packet.stream.average_rate:
            length = 1 / packet.stream.average_rate
        if packet.dts is not None:
            self._begun[index] = self._last = packet.dts * packet.time_base
            self._next[index] = self._begun[index] + (length or 0)
        elif index in self._next:
            self._next[index] += length or 0
