"""A FlatBuffer written by hand, and what is read of it."""

import struct

import numpy as np
import pytest

from nst.models.tflite import read_tensors


class Writer:
    """Lays tables out from front to back; what a table points to comes behind it."""

    def __init__(self):
        self.data = bytearray(b"\0\0\0\0TFL3")

    def point(self, place: int) -> None:
        struct.pack_into("<I", self.data, place, len(self.data) - place)

    def table(self, place: int, fields: list) -> None:
        """Append a table that `place` points to.

        A field is None, an int of 1 byte or 4, or a function that appends what it points to.
        """
        offsets = [4 + 4 * i if field is not None else 0 for i, field in enumerate(fields)]
        list_at = len(self.data)
        self.data += struct.pack(f"<HH{len(fields)}H", 4 + 2 * len(fields), 0, *offsets)
        self.point(place)
        begin = len(self.data)
        self.data += struct.pack("<i", begin - list_at) + bytes(4 * len(fields))
        for i, field in enumerate(fields):
            entry = begin + 4 + 4 * i
            if callable(field):
                self.point(entry)
                field()
            elif field is not None:
                struct.pack_into("<I", self.data, entry, field)

    def vector(self, count: int, content: bytes) -> None:
        self.data += struct.pack("<I", count) + content

    def tables(self, rows: list[list]) -> None:
        self.vector(len(rows), bytes(4 * len(rows)))
        places = [len(self.data) - 4 * (len(rows) - i) for i in range(len(rows))]
        for place, row in zip(places, rows, strict=True):
            self.table(place, row)


def file_of(tensors: list[tuple[str, np.ndarray | None, tuple[int, ...]]]) -> bytes:
    """Return a file with a buffer for each tensor, the empty one of TensorFlow before them."""
    writer = Writer()
    kinds = {"float32": None, "float16": 1, "int32": 2}

    def row(i, name, values, shape):
        return [
            lambda: writer.vector(len(shape), struct.pack(f"<{len(shape)}i", *shape)),
            None if values is None else kinds[str(values.dtype)],
            i + 1 if values is not None else None,
            lambda: writer.vector(len(name), name.encode()),
        ]

    def buffer(values):
        if values is None:
            return []
        return [lambda: writer.vector(values.nbytes, values.tobytes())]

    rows = [row(i, *tensor) for i, tensor in enumerate(tensors)]
    buffers = [[], *(buffer(values) for _, values, _ in tensors)]
    graph = [lambda: writer.tables(rows)]
    writer.table(0, [3, None, lambda: writer.tables([graph]), None, lambda: writer.tables(buffers)])
    return bytes(writer.data)


WEIGHTS = np.arange(12, dtype=np.float32).reshape(3, 2, 2) / 7
BIAS = np.array([1.5, -2.0], dtype=np.float32)
FILE = file_of(
    [
        ("net/weights", WEIGHTS, (3, 2, 2)),
        ("input", None, (1, 8, 8, 3)),
        ("size", np.array([8, 8], dtype=np.int32), (2,)),
        ("net/bias", BIAS, (2,)),
    ]
)


def test_float_constants_are_read_by_name():
    tensors = read_tensors(FILE)
    assert set(tensors) == {"net/weights", "net/bias"}
    assert np.array_equal(tensors["net/weights"].numpy(), WEIGHTS)
    assert np.array_equal(tensors["net/bias"].numpy(), BIAS)


def test_half_precision_is_read_as_float32():
    half = WEIGHTS.astype(np.float16)
    (found,) = read_tensors(file_of([("net/weights", half, (3, 2, 2))])).values()
    assert found.numpy().dtype == np.float32 and np.array_equal(found.numpy(), half)


def test_a_file_cut_short_anywhere_is_refused_or_lacks_nothing():
    for length in range(len(FILE)):
        try:
            found = read_tensors(FILE[:length])
        except ValueError:
            continue
        assert set(found) == {"net/weights", "net/bias"}
    with pytest.raises(ValueError, match="not a TensorFlow Lite file"):
        read_tensors(b"some text that is something else")


def test_a_damaged_file_gives_tensors_or_the_one_error():
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(500):
        damaged = bytearray(FILE)
        damaged[random.integers(8, len(FILE))] = random.integers(256)
        try:
            read_tensors(bytes(damaged))
        except ValueError:
            refused += 1
    assert 0 < refused < 500
