"""An ONNX file, written without any package.

The file is a Protocol Buffer (protobuf.dev, "Encoding"): a message is a row of fields, each its
number and a number, or a length and bytes. Field numbers are those of ONNX's `onnx.proto`.
"""

import struct

import torch
from torch import Tensor

VERSION = 8  # of the file's layout; that of operations is `opset`
# The kinds of a field on the wire; of an attribute; of a tensor's elements.
NUMBER, BYTES, FOUR_BYTES = 0, 2, 5
ATTRIBUTE_FLOAT, ATTRIBUTE_INT, ATTRIBUTE_STRING, ATTRIBUTE_INTS = 1, 2, 3, 7
ELEMENTS = {torch.float32: 1, torch.int64: 7, torch.float64: 11}


class Graph:
    """A graph in the making: operations in their order, each by ONNX's name for it."""

    def __init__(self):
        self._nodes: list[bytes] = []
        self._constants: dict[bytes, str] = {}

    def add(
        self, operation: str, *inputs: str | Tensor, output: str | None = None, **attributes
    ) -> str:
        """Add an operation and return the name of what it gives.

        Args:
            inputs: names of what others gave, or constants; "" leaves one out.
            output: the name of what it gives; None makes one.
            attributes: float, int, str or a list of int.
        """
        output = output or f"{operation}_{len(self._nodes)}"
        names = [each if isinstance(each, str) else self._constant(each) for each in inputs]
        node = b"".join(_field(1, name) for name in names) + _field(2, output)
        node += _field(3, output) + _field(4, operation)
        node += b"".join(_field(5, _attribute(*item)) for item in attributes.items())
        self._nodes.append(node)
        return output

    def model(
        self,
        source: str,
        result: str,
        shape: tuple[str | int, ...],
        opset: int,
        metadata: dict[str, str],
    ) -> bytes:
        """Return the file's content.

        Args:
            source, result: names of what comes in and what is given, both float32.
            shape: of both; a text is the name of a size that is free.
            opset: the version of ONNX's operations.
        """
        graph = b"".join(_field(1, node) for node in self._nodes) + _field(2, "nst")
        for body, name in self._constants.items():
            graph += _field(5, body + _field(8, name))
        dims = [_field(1 if isinstance(size, int) else 2, size) for size in shape]
        kind = _field(1, ELEMENTS[torch.float32]) + _field(
            2, b"".join(_field(1, dim) for dim in dims)
        )
        for number, name in ((11, source), (12, result)):
            graph += _field(number, _field(1, name) + _field(2, _field(1, kind)))
        entries = [_field(1, key) + _field(2, value) for key, value in metadata.items()]
        model = _field(1, VERSION) + _field(2, "nst") + _field(7, graph)
        model += _field(8, _field(1, "") + _field(2, opset))
        return model + b"".join(_field(14, entry) for entry in entries)

    def _constant(self, value: Tensor) -> str:
        body = b"".join(_field(1, size) for size in value.shape)
        body += _field(2, ELEMENTS[value.dtype]) + _field(9, value.contiguous().numpy().tobytes())
        return self._constants.setdefault(body, f"constant_{len(self._constants)}")


def _attribute(name: str, value: float | int | str | list[int]) -> bytes:
    if isinstance(value, float):
        fields, kind = _field(2, value), ATTRIBUTE_FLOAT
    elif isinstance(value, int):
        fields, kind = _field(3, value), ATTRIBUTE_INT
    elif isinstance(value, str):
        fields, kind = _field(4, value), ATTRIBUTE_STRING
    else:
        fields, kind = b"".join(_field(8, number) for number in value), ATTRIBUTE_INTS
    return _field(1, name) + fields + _field(20, kind)


def _field(number: int, value: int | float | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3 | NUMBER) + _varint(value)
    if isinstance(value, float):
        return _varint(number << 3 | FOUR_BYTES) + struct.pack("<f", value)
    value = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; each but the last has its highest bit set."""
    value %= 1 << 64  # a negative number is its two's complement
    groups = []
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])
