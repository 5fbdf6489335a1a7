"""A small DeepLabV3 for machines that have nothing but the package registry.

Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017, on MobileNetV2
(Sandler et al. 2018) at half width, with TensorFlow's weights.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nst.models.tflite import convolution

STRIDE = 8  # of the result
# Which of the seventeen inverted residuals halve the size, and how far apart the taps of the
# others are, so that the last of them see as much as if they had halved it too.
HALVING = (1, 3)
DILATIONS = (1,) * 7 + (2,) * 7 + (4,) * 3


class SmallDeepLab(nn.Module):
    """Image -> logits of the 21 VOC classes at an eighth of its size.

    Args:
        tensors: the constants of its TensorFlow Lite file, by their names.

    Raises:
        KeyError: one is missing.
    """

    def __init__(self, tensors: dict[str, Tensor]):
        super().__init__()
        self.stem = _convolution(tensors, "MobilenetV2/Conv/", stride=2)
        self.blocks = nn.ModuleList()
        for i, dilation in enumerate(DILATIONS):
            name = f"MobilenetV2/expanded_conv_{i}/" if i else "MobilenetV2/expanded_conv/"
            stride = 2 if i in HALVING else 1
            block = nn.ModuleDict()
            if i:
                block["expand"] = _convolution(tensors, name + "expand/")
            block["depthwise"] = _convolution(
                tensors, name + "depthwise/", stride, dilation, depthwise=True
            )
            block["project"] = _convolution(tensors, name + "project/")
            self.blocks.append(block)
        self.whole = _convolution(tensors, "image_pooling/")
        self.local = _convolution(tensors, "aspp0/")
        self.both = _convolution(tensors, "concat_projection/")
        self.logits = _convolution(tensors, "logits/semantic/")
        self.requires_grad_(False)
        self.to(memory_format=torch.channels_last)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (N, 21, h, w); their corner pixels lie on the image's corner pixels.

        Args:
            image: (N, 3, 8 h - 7, 8 w - 7). At such sizes TensorFlow's padding is the same on
                both sides of every convolution.

        Raises:
            ValueError: a side is no multiple of 8 plus 1.
        """
        if any(side % STRIDE != 1 for side in image.shape[-2:]):
            raise ValueError(f"sides are {tuple(image.shape[-2:])}; needed are multiples of 8 + 1")
        x = (image * 2 - 1).to(self.stem.weight.dtype)
        x = F.relu6(self.stem(x.contiguous(memory_format=torch.channels_last)))
        for block in self.blocks:
            block = cast(nn.ModuleDict, block)
            y = F.relu6(block["expand"](x)) if "expand" in block else x
            y = block["project"](F.relu6(block["depthwise"](y)))
            x = x + y if x.shape == y.shape else y
        whole = F.relu(self.whole(x.mean((2, 3), keepdim=True))).expand(-1, -1, *x.shape[-2:])
        return self.logits(F.relu(self.both(torch.cat([whole, F.relu(self.local(x))], 1))))


def _convolution(
    tensors: dict[str, Tensor],
    name: str,
    stride: int = 1,
    dilation: int = 1,
    depthwise: bool = False,
) -> nn.Conv2d:
    weight = tensors[name + ("depthwise_weights" if depthwise else "weights")]
    bias = tensors[name + ("depthwise_bias" if depthwise else "Conv2D_bias")]
    padding = dilation * (weight.shape[1] // 2)
    return convolution(weight, bias, stride, padding, dilation, depthwise)
