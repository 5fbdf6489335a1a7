"""Convolutions with frozen weights, by Winograd's method where that is faster."""

from functools import lru_cache

import torch
from torch import Tensor, nn

# What the method saves grows with the channels, what it costs with the pixels; smaller maps than
# one of its tiles are not worth it.
MIN_CHANNELS, MIN_SIDE = 128, 8


class FrozenConvolution(nn.Conv2d):
    """A 3x3 convolution, zero-padded to the same size, that is not trained.

    On a processor with AVX2 and no more, float32 maps of at least `MIN_SIDE` pixels a side go to
    at least `MIN_CHANNELS` channels through NNPACK, which PyTorch has built in but does not
    choose by itself: Winograd's minimal filtering (Lavin and Gray, "Fast Algorithms for
    Convolutional Neural Networks", 2016) takes a fifth of the multiplications. Its maps are NCHW;
    they differ from the direct way's by some 1e-5 of the largest value.
    """

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__(channels_in, channels_out, 3, padding=1)
        self.requires_grad_(False)
        self._kernels: tuple[Tensor, ...] = ()  # for the way there and the way back
        self._kernels_of: tuple[int, int] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps (N, C', H, W) of maps (N, C, H, W); the gradient reaches `x` only."""
        fits = self.out_channels >= MIN_CHANNELS and min(x.shape[-2:]) >= MIN_SIDE and len(x)
        if not fits or x.device.type != "cpu" or x.dtype != torch.float32 or not _winograd_pays():
            return super().forward(x)
        weight = self.weight.detach()
        version = _version_of(weight)
        if version is None or self._kernels_of != version:
            with torch.inference_mode(False):  # they may serve a gradient later
                back = weight.flip(2, 3).transpose(0, 1).contiguous()
                self._kernels, self._kernels_of = (weight.contiguous(), back), version
        return _Winograd.apply(x.contiguous(), *self._kernels, self.bias)


def _version_of(weight: Tensor) -> tuple[int, int] | None:
    """Return what changes when a weight does; None where PyTorch does not tell."""
    if weight.is_inference():
        return weight.data_ptr(), 0
    count = getattr(weight, "_version", None)  # private: a later PyTorch may have none
    return None if count is None else (weight.data_ptr(), count)


class _Winograd(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, kernel: Tensor, back: Tensor, bias: Tensor) -> Tensor:
        ctx.back = back
        return _one_by_one(x, kernel, bias)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        # The gradient of a convolution is the one with the kernel rotated.
        return _one_by_one(gradient.contiguous(), ctx.back, None), None, None, None


def _one_by_one(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    # Of a batch NNPACK would take the Fourier transform, which is slower.
    maps = [torch._nnpack_spatial_convolution(each, kernel, bias, 1) for each in x.split(1)]
    return torch.cat(maps) if len(maps) > 1 else maps[0]


@lru_cache
def _winograd_pays() -> bool:
    """Tell whether NNPACK is there, and wake it.

    It works 8 numbers at a time: where PyTorch's own way works 16 (AVX-512) it gains nothing.
    """
    # The function is private: a later PyTorch may have none.
    there = hasattr(torch, "_nnpack_spatial_convolution")
    narrow = torch.backends.cpu.get_cpu_capability() == "AVX2"
    return there and narrow and torch.backends.nnpack.is_available()
