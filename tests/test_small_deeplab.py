import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nst.models.mobile_deeplab import SmallDeepLab
from nst.models.tflite import read_tensors
from nst.models.weights import SMALL_DEEPLAB

# Stride, dilation of each inverted residual, by the graph of the file.
BLOCKS = [(1, 1), (2, 1), (1, 1), (2, 1)] + 3 * [(1, 1)] + 7 * [(1, 2)] + 3 * [(1, 4)]
NAMES = ["MobilenetV2/expanded_conv/"] + [f"MobilenetV2/expanded_conv_{i}/" for i in range(1, 17)]


def random_tensors(width: int = 4, classes: int = 21) -> dict[str, Tensor]:
    """Return constants of the file's names and layouts, with few channels."""
    generator = torch.Generator().manual_seed(0)
    tensors = {}

    def add(name: str, outputs: int, inputs: int, side: int, depthwise: bool = False) -> None:
        shape = (1, side, side, outputs) if depthwise else (outputs, side, side, inputs)
        fan = side * side * (1 if depthwise else inputs)
        kind, weights = ("depthwise", "depthwise_weights") if depthwise else ("Conv2D", "weights")
        tensors[name + weights] = torch.randn(shape, generator=generator) * (2 / fan) ** 0.5
        tensors[f"{name}{kind}_bias"] = torch.randn(outputs, generator=generator) * 0.1

    add("MobilenetV2/Conv/", width, 3, 3)
    for i, name in enumerate(NAMES):
        # As in the file, channels change only where there is nothing to add.
        inner, outputs = (2 * width if i else width), (width + 2 if i in (1, 2) else width)
        inputs = width + 2 if i in (2, 3) else width
        if i:
            add(name + "expand/", inner, inputs, 1)
        add(name + "depthwise/", inner, 0, 3, depthwise=True)
        add(name + "project/", outputs, inner, 1)
    add("image_pooling/", 5, width, 1)
    add("aspp0/", 6, width, 1)
    add("concat_projection/", 7, 11, 1)
    add("logits/semantic/", classes, 7, 1)
    return tensors


def by_tensorflows_rules(t: dict[str, Tensor], image: Tensor) -> Tensor:
    """Compute the net as its graph says, padded by the formula of TensorFlow's SAME."""

    def convolve(x, name, kind="Conv2D", stride=1, dilation=1):
        depthwise = kind == "depthwise"
        weight = t[name + ("depthwise_weights" if depthwise else "weights")]
        weight = weight.permute((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
        reach = (weight.shape[-1] - 1) * dilation + 1
        margins = []
        for side in reversed(x.shape[-2:]):
            total = max((-(-side // stride) - 1) * stride + reach - side, 0)
            margins += [total // 2, total - total // 2]
        groups = weight.shape[0] if depthwise else 1
        bias = t[f"{name}{kind}_bias"]
        return F.conv2d(F.pad(x, margins), weight, bias, stride, 0, dilation, groups)

    x = F.relu6(convolve(image * 2 - 1, "MobilenetV2/Conv/", stride=2))
    for i, (name, (stride, dilation)) in enumerate(zip(NAMES, BLOCKS, strict=True)):
        y = F.relu6(convolve(x, name + "expand/")) if i else x
        y = F.relu6(convolve(y, name + "depthwise/", "depthwise", stride, dilation))
        y = convolve(y, name + "project/")
        x = y + x if y.shape == x.shape else y
    whole = F.relu(convolve(F.adaptive_avg_pool2d(x, 1), "image_pooling/"))
    whole = F.interpolate(whole, size=x.shape[-2:], mode="bilinear", align_corners=True)
    x = torch.cat([whole, F.relu(convolve(x, "aspp0/"))], 1)
    return convolve(F.relu(convolve(x, "concat_projection/")), "logits/semantic/")


@pytest.mark.parametrize("size", [(33, 33), (41, 73)])
def test_equals_the_graph_by_tensorflows_rules(size):
    tensors = random_tensors()
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    found = SmallDeepLab(tensors)(image)
    expected = by_tensorflows_rules(tensors, image)
    assert found.shape == (2, 21, (size[0] + 7) // 8, (size[1] + 7) // 8)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_a_size_with_lopsided_padding_is_refused():
    with pytest.raises(ValueError, match="32, 33"):
        SmallDeepLab(random_tensors())(torch.rand(1, 3, 32, 33))


def real_file() -> Path:
    path = Path(os.environ.get("NST_WEIGHTS", "")) / SMALL_DEEPLAB.file
    if "NST_WEIGHTS" not in os.environ or not path.is_file():
        pytest.skip(f"NST_WEIGHTS names no folder with {SMALL_DEEPLAB.file}")
    return path


def portrait() -> Tensor:
    from skimage.data import astronaut

    return torch.from_numpy(astronaut()[:257, 100:357].copy()).permute(2, 0, 1)[None] / 255


@pytest.mark.weights
def test_real_weights_find_the_astronaut_and_her_rocket_not():
    net = SmallDeepLab(read_tensors(real_file().read_bytes()))
    label = net(portrait())[0].argmax(0)  # a pixel for each eight of the picture's
    assert (label[5:22, 12:18] == 15).all()  # face and neck
    assert (label[:16, :4] == 0).all()  # the flag
    assert (label[:16, -5:] != 15).all()  # the model


@pytest.mark.weights
def test_real_weights_equal_the_runtime_of_their_makers():
    path = real_file()
    runtime = pytest.importorskip("ai_edge_litert.interpreter", reason="no ai-edge-litert here")
    interpreter = runtime.Interpreter(str(path))
    interpreter.allocate_tensors()
    entry, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    levels = (portrait() * 2 - 1).permute(0, 2, 3, 1).contiguous().numpy()
    interpreter.set_tensor(entry["index"], levels)
    interpreter.invoke()
    expected = torch.from_numpy(interpreter.get_tensor(result["index"])).permute(0, 3, 1, 2)
    logits = SmallDeepLab(read_tensors(path.read_bytes()))(portrait())
    found = F.interpolate(logits, size=(257, 257), mode="bilinear", align_corners=True)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-4)
