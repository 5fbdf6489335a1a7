"""One pass of a net in one style, as operations of ONNX.

What `TransformerNet.forward` and `forward.stylize` compute, step by step, for runtimes without
PyTorch. The code is baked into instance norms, which every runtime has.
"""

import torch
from onnx import ModelProto, TensorProto
from torch import Tensor, nn

from nst.core.tensors import fit_within
from nst.export.graph import Graph
from nst.models.net_convolutions import doubled_weight, shuffled_weight
from nst.models.transformer_net import EPSILON, TransformerNet, affine_steps
from nst.stylize.forward import MIN_SIDE, SMALL_SIDE

# What a net's pass needs; and the resize with antialiasing, which the identity's correction needs.
PLAIN_OPSET, RESIZING_OPSET = 13, 18
# As `tensors.resize`: PyTorch's curve where it smooths, and nothing from beyond the edges.
BICUBIC = {"mode": "cubic", "cubic_coeff_a": -0.5, "antialias": 1, "exclude_outside": 1}


def onnx_model(
    net: TransformerNet,
    code: Tensor,
    identity: Tensor,
    identity_weight: float = 0.0,
    size: tuple[int, int] | None = None,
    metadata: dict[str, str] | None = None,
) -> tuple[ModelProto, int]:
    """Return an ONNX model that paints as `forward.stylize` does, and its opset.

    Takes `image`, float32 RGB (N, 3, H, W) in [0, 1], and gives `stylized`, alike.

    Args:
        code, identity: (1, D), or (1, D + W) with kernels, as in `forward.stylize`.
        identity_weight: with a weight the net is run twice.
        size: the only one that it takes, for runtimes that need to know it; None takes any from
            16 pixels, and any batch.
        metadata: names and texts to keep in the file.
    """
    graph = Graph()
    if size:
        shape, wanted = (1, 3, *size), torch.tensor(size)
    else:
        shape = ("batch", 3, "height", "width")
        shape_of = graph.add("Shape", "image")
        wanted = graph.add("Slice", shape_of, torch.tensor([2]), torch.tensor([4]))
    if identity_weight == 1:  # the picture itself, as in painting
        graph.add("Identity", "image", output="stylized")
        return graph.model("image", "stylized", shape, PLAIN_OPSET, metadata or {}), PLAIN_OPSET
    result = _painted(graph, net, code, "image", wanted)
    opset = RESIZING_OPSET if identity_weight else PLAIN_OPSET
    if identity_weight:
        lost = _lost(graph, net, identity, wanted)
        weighted = graph.add("Mul", lost, torch.tensor(identity_weight))
        result = _clipped(graph, graph.add("Add", result, weighted))
    graph.add("Identity", result, output="stylized")
    return graph.model("image", "stylized", shape, opset, metadata or {}), opset


def _painted(
    graph: Graph, net: TransformerNet, code: Tensor, image: str, size: str | Tensor
) -> str:
    """Add what `TransformerNet.forward` does to an image of this size (2,)."""
    net, code = net.with_kernels(code)
    affine = affine_steps(code, net.norm_channels)

    def norm(x: str) -> str:
        scale, shift = next(affine)
        return graph.add("InstanceNormalization", x, scale[0], shift[0], epsilon=EPSILON)

    def reflected(x: str, convolution: nn.Conv2d, weight: Tensor | None = None) -> str:
        x = _padded(graph, x, convolution.kernel_size[0] // 2, "reflect")
        weight = convolution.weight if weight is None else weight
        return norm(_convolved(graph, x, weight, convolution.stride[0]))

    x = graph.add("Pad", image, _to_multiple(graph, size, net.stride), mode="reflect")
    x = graph.add("Sub", graph.add("Mul", x, torch.tensor(2.0)), torch.tensor(1.0))
    if net.unshuffle > 1:
        x = graph.add("SpaceToDepth", x, blocksize=net.unshuffle)
    stages = []
    for place, convolution in enumerate(net.encoder):
        weight = convolution.weight
        if place == 0:
            weight = _depth_order(weight, net.unshuffle)
        x = graph.add("Relu", reflected(x, convolution, weight))
        stages.append(x)
    for first, second in zip(net.residual[::2], net.residual[1::2], strict=True):
        y = graph.add("Relu", reflected(x, first))
        x = graph.add("Add", x, reflected(y, second))
    for convolution in net.decoder:
        weight = doubled_weight(convolution.weight)
        x = _padded(graph, x, 1, "edge")
        x = _convolved(graph, x, weight, 2, operation="ConvTranspose", pads=[3] * 4)
        x = graph.add("Relu", norm(x))
    if net.unshuffle > 1:
        x = _padded(
            graph, graph.add("Add", x, stages[0]), net.output.kernel_size[0] // 2, "reflect"
        )
        x = _convolved(graph, x, net.output.weight, 1, net.output.bias)
    else:
        x, bias = _padded(graph, x, 4, "reflect"), net.output.bias.repeat_interleave(4)
        x = _convolved(graph, x, shuffled_weight(net.output.weight), 2, bias)
    x = graph.add("Sigmoid", graph.add("DepthToSpace", x, blocksize=2, mode="CRD"))
    return graph.add("Slice", x, torch.tensor([0, 0]), size, torch.tensor([2, 3]))


def _lost(graph: Graph, net: TransformerNet, identity: Tensor, size: str | Tensor) -> str:
    """Add what `forward.stylize` finds that the identity loses of light and color."""
    fitted = _fitted(graph, size)
    small = _clipped(graph, graph.add("Resize", "image", "", "", fitted, axes=[2, 3], **BICUBIC))
    lost = graph.add("Sub", small, _painted(graph, net, identity, small, fitted))
    broad = graph.add("AveragePool", _padded(graph, lost, 2, "edge"), kernel_shape=[5, 5])
    return graph.add("Resize", broad, "", "", size, axes=[2, 3], mode="linear")


def _depth_order(weight: Tensor, factor: int) -> Tensor:
    """Reorder input channels (O, C f f, ...) from PyTorch's (C, f, f) to ONNX's (f, f, C)."""
    channels = weight.shape[1] // factor**2
    return weight.unflatten(1, (channels, factor**2)).transpose(1, 2).flatten(1, 2)


def _to_multiple(graph: Graph, size: str | Tensor, stride: int) -> str | Tensor:
    """Return what to pad on each side: for OpenCV a constant where it can be one."""
    nothing = torch.zeros(6, dtype=torch.int64)
    if isinstance(size, Tensor):
        return torch.cat([nothing, -size % stride])
    missing = graph.add("Mod", graph.add("Neg", size), torch.tensor([stride]))
    return graph.add("Concat", nothing, missing, axis=0)


def _fitted(graph: Graph, size: str | Tensor) -> str | Tensor:
    """Return the size of the small copy on which `forward.stylize` looks for what was lost."""
    if isinstance(size, Tensor):
        fitted = fit_within((int(size[0]), int(size[1])), SMALL_SIDE)
        return size if min(fitted) < MIN_SIDE else torch.tensor(fitted)
    double, whole = TensorProto.DOUBLE, TensorProto.INT64
    longest = graph.add("Cast", graph.add("ReduceMax", size, keepdims=1), to=double)
    scale = graph.add("Div", torch.tensor([SMALL_SIDE], dtype=torch.float64), longest)
    scale = graph.add("Min", scale, torch.ones(1, dtype=torch.float64))
    scaled = graph.add("Mul", graph.add("Cast", size, to=double), scale)
    fitted = graph.add("Cast", graph.add("Round", scaled), to=whole)
    narrow = graph.add("Less", graph.add("ReduceMin", fitted), torch.tensor(MIN_SIDE))
    return graph.add("Where", narrow, size, fitted)


def _padded(graph: Graph, x: str, margin: int, mode: str) -> str:
    return graph.add("Pad", x, torch.tensor([0, 0, margin, margin] * 2), mode=mode)


def _convolved(
    graph: Graph, x: str, weight: Tensor, stride: int, *bias: Tensor, operation="Conv", **more
) -> str:
    side = list(weight.shape[2:])  # OpenCV 4 wants it said
    return graph.add(operation, x, weight, *bias, strides=[stride] * 2, kernel_shape=side, **more)


def _clipped(graph: Graph, x: str) -> str:
    return graph.add("Clip", x, torch.tensor(0.0), torch.tensor(1.0))
