"""Images kept exactly as they are written out, in 8 or 16 bits: FFV1 in Matroska, without times."""

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

from nst.core.tensors import to_float, to_uint8, to_uint16
from nst.media.demux import open_media

OPTIONS = {"level": "3", "slices": "4", "slicecrc": "0"}
THREADS = 4


class LosslessWriter:
    """A file of images of one size.

    Args:
        deep: keep 16 bits of each channel, not 8.

    Raises:
        OSError, av.FFmpegError: of the disk, here and from `write` and `close`.
    """

    def __init__(self, path: Path, deep: bool = False) -> None:
        self._path, self._deep = path, deep
        self._container = av.open(os.path.abspath(path), "w", format="matroska")
        self._stream = self._container.add_stream("ffv1", rate=25, options=OPTIONS)
        self._count = 0

    def write(self, image: Tensor) -> None:
        """Append an image (1, 3, H, W)."""
        array = to_uint16(image) if self._deep else to_uint8(image)
        context = self._stream.codec_context
        if self._count == 0:
            context.height, context.width = array.shape[:2]
            context.pix_fmt = "gbrp16le" if self._deep else "bgr0"
            context.time_base, context.thread_count = Fraction(1, 25), THREADS
        if self._deep:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="gbrp16le")
        else:
            frame = av.VideoFrame.from_ndarray(array, format="rgb24").reformat(format="bgr0")
        frame.pts, frame.time_base = self._count, context.time_base
        self._count += 1
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finish the file and have the disk take it."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        with open(self._path, "rb") as file:
            os.fsync(file.fileno())

    def abort(self) -> None:
        """Close the file, which is of no use."""
        self._container.close()


def read_lossless(path: Path) -> Iterator[Tensor]:
    """Yield the images (1, 3, H, W) of a file that `LosslessWriter` made.

    FFmpeg hides what is damaged: see by other means that the file is as it was written.
    """
    with open_media(path) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "AUTO", THREADS
        for frame in container.decode(stream):
            if frame.format.name == "gbrp16le":
                levels = torch.from_numpy(frame.to_ndarray().astype(np.float32) / 65535)
                yield levels.permute(2, 0, 1)[None]
            else:
                yield to_float(frame.to_ndarray(format="rgb24"))
