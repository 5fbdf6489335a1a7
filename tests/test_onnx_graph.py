"""ONNX Runtime computes what a graph says."""

import numpy as np
import onnx
import onnxruntime
import torch

from nst.export.graph import Graph


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
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
        return graph.model("x", y, (100, 100), 13, {}).ByteSize()

    once, twice, others = size(weight), size(weight, weight.clone()), size(weight, weight + 1)
    assert twice - once < 100 and others - once > 4 * weight.numel()
