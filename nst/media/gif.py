"""An animated GIF out of pictures and their times."""

import mmap
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from nst.core.progress import warn
from nst.media.frames import StreamInfo


class GifEncoder:
    """A GIF whose frames have a palette each, and may have places that do not show."""

    depth, holds_alpha = 8, True

    def __init__(self, path: Path, info: StreamInfo) -> None:
        self._path, self._tick = path, info.time_base * 100
        loop = -1 if info.loop is None else info.loop
        self._container = av.open(
            os.path.abspath(path), "w", format="gif", options={"loop": str(loop)}
        )
        self._stream = self._container.add_stream("gif", rate=info.rate)
        self._stream.pix_fmt = "pal8"
        self._stream.codec_context.time_base = Fraction(1, 100)
        self._graph: av.filter.Graph | None = None
        self._last = -2
        self._duration = 0
        self._slowed = False

    def write(self, array: np.ndarray, pts: int, duration: int) -> None:
        if self._graph is None:
            self._stream.height, self._stream.width = array.shape[:2]
            self._kind = "rgb24" if array.shape[2] == 3 else "rgba"
            height, width = array.shape[:2]
            self._graph = _palette_graph(height, width, self._kind)
        time = round(pts * self._tick)
        # Players and FFmpeg read a delay below 2 as 10.
        if time < self._last + 2 and not self._slowed:
            self._slowed = True
            warn("a GIF holds 50 frames a second at most: it plays slower")
        self._last = max(time, self._last + 2)
        self._duration = round(duration * self._tick)
        frame = av.VideoFrame.from_ndarray(array, format=self._kind)
        frame.pts, frame.time_base = self._last, Fraction(1, 100)
        self._graph.vpush(frame)
        self._pull()

    def finish(self, complete: bool) -> None:
        self._graph.vpush(None)
        self._pull()
        self._container.mux(self._stream.encode(None))
        self._container.close()
        if self._duration:
            _set_last_delay(self._path, max(2, self._duration))

    def abort(self) -> None:
        self._container.close()

    def _pull(self) -> None:
        while True:
            try:
                frame = self._graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return
            self._container.mux(self._stream.encode(frame))


def _palette_graph(height: int, width: int, kind: str) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_buffer(width=width, height=height, format=kind, time_base=Fraction(1, 100))
    split, sink = graph.add("split"), graph.add("buffersink")
    make = graph.add("palettegen", "stats_mode=single")
    # A pattern that stays in place does not flicker, as diffused errors do.
    use = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=4")
    source.link_to(split)
    split.link_to(use)
    split.link_to(make, 1)
    make.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    return graph


def _set_last_delay(path: Path, delay: int) -> None:
    """Write the last frame's delay, which the encoder can only guess, into a finished GIF."""
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        at = data.rfind(b"\x21\xf9\x04")
        while at > 0 and data[at + 7 : at + 9] != b"\x00\x2c":
            at = data.rfind(b"\x21\xf9\x04", 0, at)
        if at > 0:
            data[at + 4 : at + 6] = min(delay, 65535).to_bytes(2, "little")
