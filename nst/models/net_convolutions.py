"""The convolutions of the transformer, written so that a processor is quick with them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def reflected_convolution(x: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """Convolve (N, I, H, W) by (O, I, k, k), mirrored at the edges."""
    x = F.pad(x, (weight.shape[-1] // 2,) * 4, mode="reflect")
    return F.conv2d(x, weight.to(x.dtype), stride=stride)


def doubled_convolution(x: Tensor, weight: Tensor) -> Tensor:
    """Double by repetition, then convolve (3x3, reflected), as one transposed convolution.

    Reflection after doubling is repetition before it.
    """
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return F.conv_transpose2d(x, doubled_weight(weight).to(x.dtype), stride=2, padding=3)


def doubled_weight(weight: Tensor) -> Tensor:
    """Return (I, O, 4, 4) of the transposed convolution that doubles, then convolves (O, I, 3, 3).

    Exactly the same map with 2.25 times fewer multiplications: repeating first, a 3x3 window sees
    only 2x2 different pixels.
    """
    # Along each axis the taps [w0, w1, w2] become [w2, w1 + w2, w0 + w1, w0].
    turned = weight.flip(2, 3)
    rows = F.pad(turned, (0, 0, 0, 1)) + F.pad(turned, (0, 0, 1, 0))
    return (F.pad(rows, (0, 1)) + F.pad(rows, (1, 0))).transpose(0, 1)


def subpixel_convolution(x: Tensor, weight: Tensor, bias: Tensor, factor: int) -> Tensor:
    """Convolve (reflected) to the factor x factor pixels of each block, and put them in place."""
    x = F.pad(x, (weight.shape[-1] // 2,) * 4, mode="reflect")
    return F.pixel_shuffle(F.conv2d(x, weight.to(x.dtype), bias.to(x.dtype)), factor)


def output_convolution(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolve 9x9 to three channels, as 10x10 with stride 2 to twelve and a pixel shuffle.

    Exactly the same map, about three times faster on a CPU: three output channels leave its vector
    units idle, twelve do not.
    """
    weight, bias = shuffled_weight(weight), bias.repeat_interleave(4)
    x = F.pad(x, (4, 4, 4, 4), mode="reflect")
    x = F.conv2d(x, weight.to(x.dtype), bias.to(x.dtype), stride=2)
    return F.pixel_shuffle(x, 2)


def shuffled_weight(weight: Tensor) -> Tensor:
    """Return (4 O, I, 10, 10) that with stride 2 and a pixel shuffle convolves as (O, I, 9, 9)."""
    shifted = [F.pad(weight, (j, 1 - j, i, 1 - i)) for i in (0, 1) for j in (0, 1)]
    return torch.stack(shifted, 1).flatten(0, 1)


def equal_subpixels(convolution: nn.Conv2d, factor: int) -> None:
    """Let all pixels of a block begin equal: no checkerboard to unlearn.

    Aitken et al., "Checkerboard artifact free sub-pixel convolution", 2017.
    """
    with torch.no_grad():
        for parameter in (convolution.weight, convolution.bias):
            parameter.copy_(parameter[:: factor**2].repeat_interleave(factor**2, 0))
