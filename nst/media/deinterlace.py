"""Interlaced pictures: two half pictures of different times, woven line by line."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av

WAITING = (av.BlockingIOError, av.EOFError)


def deinterlaced(pictures: Iterable[av.VideoFrame], stream: av.VideoStream) -> Iterator:
    """Yield each interlaced picture as one of a single time, by FFmpeg's bwdif; others as is."""
    graph = av.filter.Graph()
    source = graph.add_buffer(template=stream)
    bwdif = graph.add("bwdif", "mode=send_frame:deint=interlaced")
    sink = graph.add("buffersink")
    source.link_to(bwdif)
    bwdif.link_to(sink)
    graph.configure()
    for picture in pictures:
        graph.vpush(picture)
        yield from _ready(graph, stream.time_base)
    graph.vpush(None)
    yield from _ready(graph, stream.time_base)


def _ready(graph: av.filter.Graph, time_base: Fraction) -> Iterator[av.VideoFrame]:
    while True:
        try:
            picture = graph.vpull()
        except WAITING:
            return
        ratio = picture.time_base / time_base  # the filter has a finer clock
        picture.pts, picture.duration = round(picture.pts * ratio), round(picture.duration * ratio)
        picture.time_base = time_base
        yield picture
