"""The tensors of a TensorFlow Lite file, read as data, and convolutions that are made of them.

The file is a FlatBuffer (github.com/google/flatbuffers, "Internals"): a table begins with the
distance back to its list of offsets, one a field, 0 for a field that is not there; strings, vectors
and tables inside it are reached by a distance forward. Field numbers are those of TensorFlow's
`schema.fbs`. What the file says to compute is not read.
"""

import struct

import numpy as np
import torch
from torch import Tensor, nn

IDENTIFIER = b"TFL3"
FLOATS = {0: "<f4", 1: "<f2"}  # TensorFlow's numbers of types, and NumPy's names
MODEL_SUBGRAPHS, MODEL_BUFFERS, SUBGRAPH_TENSORS, BUFFER_DATA = 2, 4, 0, 0
TENSOR_SHAPE, TENSOR_TYPE, TENSOR_BUFFER, TENSOR_NAME = range(4)


def read_tensors(data: bytes) -> dict[str, Tensor]:
    """Return the constants of a TensorFlow Lite file by their names, as float32.

    Those that are neither float32 nor float16 are left out.

    Raises:
        ValueError: it is no such file, or is cut short.
    """
    if data[4:8] != IDENTIFIER:
        raise ValueError("not a TensorFlow Lite file")
    try:
        model = _follow(data, 0)
        buffers = _tables(data, model, MODEL_BUFFERS)
        (graph,) = _tables(data, model, MODEL_SUBGRAPHS)
        tensors = {}
        for table in _tables(data, graph, SUBGRAPH_TENSORS):
            kind = _field(data, table, TENSOR_TYPE)
            number = _field(data, table, TENSOR_BUFFER)
            buffer = buffers[_unsigned(data, number) if number else 0]
            content = _vector(data, buffer, BUFFER_DATA, 1)
            floats = FLOATS.get(data[kind] if kind else 0)
            if content and floats:
                name = _vector(data, table, TENSOR_NAME, 1).decode()
                shape = np.frombuffer(_vector(data, table, TENSOR_SHAPE, 4), "<i4").tolist()
                values = np.frombuffer(content, floats).astype(np.float32)
                tensors[name] = torch.from_numpy(values.reshape(shape))
    except (struct.error, IndexError, ValueError) as error:
        raise ValueError(f"a TensorFlow Lite file that cannot be read: {error}") from error
    return tensors


def convolution(
    weight: Tensor,
    bias: Tensor,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    depthwise: bool = False,
) -> nn.Conv2d:
    """Return a convolution with a file's constants.

    Args:
        weight: (out, h, w, in), or (1, h, w, channels) where it is depthwise.
        bias: (out,).
    """
    weight = weight.permute((3, 0, 1, 2) if depthwise else (0, 3, 1, 2)).contiguous()
    outputs, inputs, side, _ = weight.shape
    groups = outputs if depthwise else 1
    made = nn.Conv2d(inputs * groups, outputs, side, stride, padding, dilation, groups)
    made.load_state_dict({"weight": weight, "bias": bias})
    return made


def _unsigned(data: bytes, position: int) -> int:
    return struct.unpack_from("<I", data, position)[0]


def _follow(data: bytes, position: int) -> int:
    return position + _unsigned(data, position)


def _field(data: bytes, table: int, number: int) -> int | None:
    """Return where a table's field lies; None when it is not there."""
    offsets = table - struct.unpack_from("<i", data, table)[0]
    entry = 4 + 2 * number  # behind the list's own size and the table's
    if entry >= struct.unpack_from("<H", data, offsets)[0]:
        return None
    offset = struct.unpack_from("<H", data, offsets + entry)[0]
    return table + offset if offset else None


def _vector(data: bytes, table: int, number: int, width: int) -> bytes:
    """Return the content of a vector or string whose elements take `width` bytes."""
    field = _field(data, table, number)
    if field is None:
        return b""
    start = _follow(data, field)
    end = start + 4 + width * _unsigned(data, start)
    if end > len(data):
        raise ValueError("it is cut short")
    return data[start + 4 : end]


def _tables(data: bytes, table: int, number: int) -> list[int]:
    field = _field(data, table, number)
    if field is None:
        return []
    start = _follow(data, field)
    return [_follow(data, start + 4 + 4 * i) for i in range(_unsigned(data, start))]
