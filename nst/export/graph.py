"""An ONNX graph in the making, in the few words that a net needs."""

import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

VERSION = 8  # of the file's layout, which older runtimes read; that of operations is `opset`


class Graph:
    """Operations in their order, each by ONNX's name for it, and the constants they use."""

    def __init__(self):
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[bytes, onnx.TensorProto] = {}

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
        self._nodes.append(helper.make_node(operation, names, [output], output, **attributes))
        return output

    def model(
        self,
        source: str,
        result: str,
        shape: tuple[str | int, ...],
        opset: int,
        metadata: dict[str, str],
    ) -> onnx.ModelProto:
        """Return the model, checked.

        Args:
            source, result: names of what comes in and what is given, both float32.
            shape: of both; a text is the name of a size that is free.
            opset: the version of ONNX's operations.
        """
        inputs, outputs = (
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)]
            for name in (source, result)
        )
        constants = list(self._constants.values())
        graph = helper.make_graph(self._nodes, "nst", inputs, outputs, constants)
        opsets = [helper.make_opsetid("", opset)]
        model = helper.make_model(
            graph, producer_name="nst", ir_version=VERSION, opset_imports=opsets
        )
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(model)
        return model

    def _constant(self, value: Tensor) -> str:
        tensor = numpy_helper.from_array(value.numpy())
        body = tensor.SerializeToString()
        if body not in self._constants:
            tensor.name = f"constant_{len(self._constants)}"
            self._constants[body] = tensor
        return self._constants[body].name
