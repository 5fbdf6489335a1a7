"""The bytes are those that protobuf.dev shows, and ONNX Runtime computes what they say."""

import numpy as np
import onnxruntime
import pytest
import torch

from nst.onnx_file import Graph, _field


@pytest.mark.parametrize(
    "number, value, expected",
    [
        (1, 150, "08 96 01"),  # protobuf.dev, "Encoding"
        (2, "testing", "12 07 74 65 73 74 69 6e 67"),
        (3, _field(1, 150), "1a 03 08 96 01"),
        (1, -2, "08 fe ff ff ff ff ff ff ff ff 01"),
        (1, 0, "08 00"),
        (16, 1, "80 01 01"),
        (2, 1.0, "15 00 00 80 3f"),
    ],
)
def test_fields_are_encoded_as_the_specification_shows(number, value, expected):
    assert _field(number, value) == bytes.fromhex(expected)


def run(content: bytes, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"x": x})
    return result


def test_a_runtime_computes_what_the_graph_says():
    """Each kind of attribute and constant, and an input that is left out."""
    graph = Graph()
    y = graph.add("LeakyRelu", "x", alpha=0.25)
    y = graph.add("Transpose", y, perm=[1, 0])
    y = graph.add("Pad", y, torch.tensor([0, -1, 0, 1]), "", mode="edge")
    y = graph.add("Concat", y, y, axis=-1)
    y = graph.add("Add", y, torch.arange(3.0)[:, None])
    x = np.array([[1, -4, 2], [3, 5, -8]], np.float32)
    moved = np.where(x > 0, x, 0.25 * x).T[:, [1, 1]]
    expected = np.concatenate([moved, moved], 1) + np.arange(3)[:, None]
    np.testing.assert_array_equal(run(graph.model("x", y, ("h", "w"), 13, {}), x), expected)


def test_equal_constants_are_kept_once():
    weight = torch.rand(100, 100)

    def size(*weights):
        graph, y = Graph(), "x"
        for each in weights:
            y = graph.add("Add", y, each)
        return len(graph.model("x", y, (100, 100), 13, {}))

    once, twice, others = size(weight), size(weight, weight.clone()), size(weight, weight + 1)
    assert twice - once < 100 and others - once > 4 * weight.numel()
