"""The feed-forward net, one for many styles.

Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", 2016, with
the conditional instance normalization of Dumoulin et al., "A Learned Representation for Artistic
Style", 2017: the norms have no scale and shift of their own, a style code brings all of them.

Where it differs: nearest-neighbor upsampling and a convolution instead of a transposed one (Odena
et al. 2016), a sigmoid at the end, and style weights that may be a map, so that one pass paints
each region in a style of its own. Instance norm is written as group norm with one group a channel:
the same maths, but it keeps channels-last memory, which is what a CPU's convolutions want.

A code may bring more: what its style adds to the weights of the convolutions, so that each has the
strokes of a net of its own. Sums of such codes mix the weights, as Wang et al., "Deep Network
Interpolation for Continuous Imagery Effect Transition", 2019: nets that began as one can be mixed.

With `unshuffle=2` the net is made for processors: the image enters as 2x2 blocks of pixels (Shi et
al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional
Neural Network", 2016), so that each stage works at half the resolution, a quarter of the cost, and
sees twice as far: larger strokes. The first stage's map is added again before the last convolution,
for the edges that an eighth of the resolution has lost.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nst.core.tensors import pad_to_multiple, size_of
from nst.models.net_convolutions import (
    doubled_convolution,
    equal_subpixels,
    output_convolution,
    reflected_convolution,
    subpixel_convolution,
)

EPSILON = 1e-5  # added to the variance in norms
# Side of the first and the last convolution, by `unshuffle`: 5 blocks of 2x2 pixels see 10.
KERNELS = {1: 9, 2: 5}


class TransformerNet(nn.Module):
    """Image, style codes and style weights -> stylized image of the same size.

    Args:
        widths: channels of the three encoder stages, each at half the resolution of the one before.
        blocks: residual blocks at the third stage's resolution.
        unshuffle: 1, the first stage at full resolution, or 2, at half.

    Raises:
        ValueError: another `unshuffle`.
    """

    def __init__(
        self, widths: tuple[int, ...] = (32, 64, 128), blocks: int = 5, unshuffle: int = 1
    ):
        super().__init__()
        if unshuffle not in KERNELS:
            raise ValueError(f"unshuffle is {unshuffle}; it must be 1 or 2")
        first, second, third = widths
        self.widths, self.blocks, self.unshuffle = tuple(widths), blocks, unshuffle
        pixels, kernel = 3 * unshuffle**2, KERNELS[unshuffle]
        self.encoder = nn.ModuleList(
            [
                nn.Conv2d(pixels, first, kernel, bias=False),
                nn.Conv2d(first, second, 3, stride=2, bias=False),
                nn.Conv2d(second, third, 3, stride=2, bias=False),
            ]
        )
        self.residual = nn.ModuleList(
            nn.Conv2d(third, third, 3, bias=False) for _ in range(2 * blocks)
        )
        self.decoder = nn.ModuleList(
            [nn.Conv2d(third, second, 3, bias=False), nn.Conv2d(second, first, 3, bias=False)]
        )
        self.output = nn.Conv2d(first, pixels, kernel)
        if unshuffle > 1:
            equal_subpixels(self.output, unshuffle)
        self.norm_channels = [first, second, third] + [third] * (2 * blocks) + [second, first]
        self.to(memory_format=torch.channels_last)

    @property
    def stride(self) -> int:
        """Pixels of the image to one of the deepest maps, a side."""
        return 4 * self.unshuffle

    @property
    def code_length(self) -> int:
        """D: a scale and a shift for each channel of each norm."""
        return 2 * sum(self.norm_channels)

    @property
    def kernels_length(self) -> int:
        """W: by how much a code that brings kernels too is longer; the count of the weights."""
        return sum(parameter.numel() for parameter in self._weights())

    def plain_code(self) -> Tensor:
        """Return the code (D,) whose scales are 1 and shifts 0."""
        half = self.code_length // 2
        return torch.cat([torch.ones(half), torch.zeros(half)])

    @torch.no_grad()
    def folded(self, image: Tensor, codes: Tensor) -> Tensor:
        """Return codes (K, D) that hold what the norms find when all of the image takes a style.

        A norm's (x - mean) / deviation * scale + shift is written as x * scale + shift. With these
        codes a region looks as it would if its style had all of the image. Norms that saw the
        regions as one would give a small one the looks of what surrounds it.

        Args:
            image: (1, 3, H, W).
            codes: (K, D).
        """
        return with_statistics(codes, self.statistics(image, codes))

    @torch.no_grad()
    def statistics(self, image: Tensor, codes: Tensor) -> Tensor:
        """Return what the norms find when all of the image takes a style, for `with_statistics`.

        Args:
            image: (1, 3, H, W).
            codes: (K, D), or (K, D + W) with kernels.

        Returns:
            (K, D): 1 / deviation in the place of each scale, mean / deviation in that of the shift.
        """
        found = []
        for code in codes.split(1):
            affine, kernels = self.parted(code)
            norms = _Norms(affine, codes.new_ones(1, 1), self.norm_channels, self.stride)
            self._paint(image, norms, self.weights_with(kernels))
            found.append(norms.statistics())
        return torch.stack(found)

    def forward(self, image: Tensor, codes: Tensor, weights: Tensor) -> Tensor:
        """Stylize.

        Computed in the image's dtype, whatever that of the parameters.

        Args:
            image: (N, 3, H, W), any size from 16 pixels.
            codes: (K, D), or (K, D + W) with kernels; with a map of weights those that `folded`
                gives. With kernels, each style of a map takes a pass of its own.
            weights: (N, K) or, as a map, (N, K, H, W), sum 1 over K.

        Returns:
            (N, 3, H, W) in [0, 1].

        Raises:
            ValueError: the shapes do not fit together.
        """
        return self.paint(image, codes, weights)[0]

    def paint(self, image: Tensor, codes: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Do as `forward`, and return the encoder's features (N, C, h, w) too.

        Their sides are those of the image divided by `stride`, rounded up.
        """
        self._check(image, codes, weights)
        affine, kernels = self.parted(codes)
        if kernels is None:
            norms = _Norms(affine, weights, self.norm_channels, self.stride)
            return self._paint(image, norms, self.weights_with(None))
        if weights.ndim == 4:
            return self._paint_regions(image, codes, weights)
        if len(codes) > 1 and len(image) > 1:
            each = zip(image.split(1), weights.split(1), strict=True)
            painted, encoded = zip(*(self.paint(x, codes, w) for x, w in each), strict=True)
            return torch.cat(painted), torch.cat(encoded)
        mixed = codes if len(codes) == 1 else weights @ codes
        affine, kernels = self.parted(mixed)
        norms = _Norms(affine, weights.sum(1, keepdim=True), self.norm_channels, self.stride)
        return self._paint(image, norms, self.weights_with(kernels))

    def parted(self, codes: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return what codes say of the norms (K, D) and, if anything, of the kernels (K, W)."""
        affine, kernels = codes[:, : self.code_length], codes[:, self.code_length :]
        return affine, kernels if kernels.shape[1] else None

    def weights_with(self, kernels: Tensor | None) -> list[Tensor]:
        """Return the convolutions' weights in their order, then the last one's bias.

        Args:
            kernels: (1, W), what is added to them; None is nothing.
        """
        weights = self._weights()
        if kernels is None:
            return weights
        parts = kernels[0].split([weight.numel() for weight in weights])
        pairs = zip(weights, parts, strict=True)
        return [weight + part.view(weight.shape) for weight, part in pairs]

    @torch.no_grad()
    def with_kernels(self, code: Tensor) -> tuple["TransformerNet", Tensor]:
        """Return a net that has the kernels of a code (1, D + W), and what is left of that (1, D).

        Of a code without kernels, a copy of the net.
        """
        affine, kernels = self.parted(code)
        net = deepcopy(self)
        for own, weight in zip(net._weights(), self.weights_with(kernels), strict=True):
            own.copy_(weight)
        return net, affine

    def _weights(self) -> list[Tensor]:
        convolutions = [*self.encoder, *self.residual, *self.decoder, self.output]
        return [*(cast(Tensor, each.weight) for each in convolutions), self.output.bias]

    def _paint_regions(
        self, image: Tensor, codes: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Paint each style where it is, in a pass of its own, and mix the results by their map."""
        painted = torch.zeros_like(image, memory_format=torch.channels_last)
        size = tuple(-(-side // self.stride) for side in size_of(image))
        encoded = image.new_zeros(len(image), self.widths[-1], *size)
        for code, share in zip(codes.split(1), weights.split(1, 1), strict=True):
            place = _box(share, self.stride, self._reach)
            if place is None:
                continue
            rows, columns = place
            affine, kernels = self.parted(code)
            norms = _Norms(affine, None, self.norm_channels, self.stride)
            part, features = self._paint(
                image[..., rows, columns], norms, self.weights_with(kernels)
            )
            share = share[..., rows, columns].to(part.dtype)
            painted[..., rows, columns] += part * share
            small = F.adaptive_avg_pool2d(share, features.shape[-2:])
            top, left = rows.start // self.stride, columns.start // self.stride
            height, width = size_of(small)
            encoded[..., top : top + height, left : left + width] += features * small
        return painted, encoded

    @property
    def _reach(self) -> int:
        """Pixels within which the image decides what becomes of a pixel, folded norms given."""
        u = self.unshuffle
        margin = KERNELS[u] // 2
        return u * (margin + 1 + 2) + self.stride * 2 * self.blocks + u * (4 + 2 + margin)

    def _paint(
        self, image: Tensor, norms: "_Norms", weights: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        height, width = image.shape[-2:]
        *kernels, bias = weights
        kernel = iter(kernels)
        x = self._entered(pad_to_multiple(image, self.stride), next(kernel))
        stages = [F.relu_(norms(x))]
        for _ in self.encoder[1:]:
            stages.append(F.relu_(norms(reflected_convolution(stages[-1], next(kernel), 2))))
        x = stages[-1]
        for _ in range(self.blocks):
            y = F.relu_(norms(reflected_convolution(x, next(kernel))))
            x = x + norms(reflected_convolution(y, next(kernel)))
        for _ in self.decoder:
            x = F.relu_(norms(doubled_convolution(x, next(kernel))))
        if self.unshuffle > 1:
            x = subpixel_convolution(x + stages[0], next(kernel), bias, self.unshuffle)
        else:
            x = output_convolution(x, next(kernel), bias)
        return torch.sigmoid(x)[..., :height, :width], stages[-1]

    def _entered(self, image: Tensor, weight: Tensor) -> Tensor:
        """Return the first convolution of an image brought to [-1, 1]."""
        if self.unshuffle == 1:
            x = image.contiguous(memory_format=torch.channels_last) * 2 - 1
            return reflected_convolution(x, weight)
        # 2 x - 1 costs less on the weights than on the image.
        doubled, bias = 2 * weight, -weight.sum((1, 2, 3))
        x = F.pixel_unshuffle(image, self.unshuffle).contiguous(memory_format=torch.channels_last)
        x = F.pad(x, (weight.shape[-1] // 2,) * 4, mode="reflect")
        return F.conv2d(x, doubled.to(x.dtype), bias.to(x.dtype))

    def _check(self, image: Tensor, codes: Tensor, weights: Tensor) -> None:
        lengths = (self.code_length, self.code_length + self.kernels_length)
        if codes.ndim != 2 or codes.shape[1] not in lengths:
            raise ValueError(
                f"codes have the shape {tuple(codes.shape)}; this net needs (K, {lengths[0]}), "
                f"or (K, {lengths[1]}) with kernels"
            )
        expected = (len(image), len(codes))
        whole = tuple(weights.shape) == expected
        if not whole and tuple(weights.shape) != expected + size_of(image):
            raise ValueError(
                f"weights have the shape {tuple(weights.shape)}; needed are {expected} "
                f"or {expected + size_of(image)}"
            )


def with_statistics(codes: Tensor, statistics: Tensor) -> Tensor:
    """Return the codes of norms whose statistics (K, D) are known, see `folded`."""
    affine, kernels = codes[:, : statistics.shape[1]], codes[:, statistics.shape[1] :]
    (scales, shifts), (inverses, means) = affine.chunk(2, 1), statistics.chunk(2, 1)
    return torch.cat([scales * inverses, shifts - scales * means, kernels], 1)


def affine_steps(codes: Tensor, channels: list[int]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the scale and the shift, each (K, C), that codes (K, D) have for each norm in turn.

    Args:
        channels: C of each norm, see `TransformerNet.norm_channels`.
    """
    scales, shifts = codes.chunk(2, dim=1)
    return zip(scales.split(channels, dim=1), shifts.split(channels, dim=1), strict=True)


class _Norms:
    """The norms of one pass, called in their order: each takes its part of the codes.

    A weight map is pooled to the resolution of the layer that asks for it, once for each. Without
    weights there is one folded code (1, D) for all of the image.
    """

    def __init__(self, codes: Tensor, weights: Tensor | None, channels: list[int], stride: int):
        self.affine = affine_steps(codes, channels)
        self.mapped = weights is not None and weights.ndim == 4
        self.weights = pad_to_multiple(weights, stride) if self.mapped else weights
        self.pooled: dict[int, Tensor] = {}
        self.found: list[tuple[Tensor, Tensor]] = []

    def __call__(self, x: Tensor) -> Tensor:
        scale, shift = next(self.affine)
        if self.weights is None:
            scale, shift = (part[..., None, None].to(x.dtype) for part in (scale, shift))
            return torch.addcmul(shift, x, scale)
        if self.mapped:
            weights = self._pooled_to(x)
            maps = (weights @ part.to(x.dtype) for part in (shift, scale))
            shift, scale = (part.permute(0, 3, 1, 2) for part in maps)
            return shift.addcmul_(x, scale)
        scale, shift = self.weights @ scale, self.weights @ shift
        if len(x) > 1:
            normed = F.group_norm(x, x.shape[1])
            scale, shift = (part[..., None, None].to(x.dtype) for part in (scale, shift))
            return torch.addcmul(shift, normed, scale)
        # One code for the whole batch: the norm's own affine step costs nothing extra.
        normed, mean, inverse = _normed(x, *(part[0].to(x.dtype) for part in (scale, shift)))
        self.found.append((inverse.to(scale.dtype), (mean * inverse).to(scale.dtype)))
        return normed

    def statistics(self) -> Tensor:
        """Return what the norms of the pass that went by have found in it, (D,)."""
        return torch.cat([part[0] for parts in zip(*self.found, strict=True) for part in parts])

    def _pooled_to(self, x: Tensor) -> Tensor:
        """Return the map (N, h, w, K); channels last, mixing codes is one matrix product."""
        factor = self.weights.shape[-1] // x.shape[-1]
        if factor not in self.pooled:
            pooled = self._pooled_by(factor)
            self.pooled[factor] = pooled.permute(0, 2, 3, 1).to(x.dtype).contiguous()
        return self.pooled[factor]

    def _pooled_by(self, factor: int) -> Tensor:
        """Return the mean of factor x factor pixels; slices are quicker than pooling on a CPU."""
        if factor == 1:
            return self.weights
        fine = self._pooled_by(factor // 2)
        rows = fine[..., ::2, :] + fine[..., 1::2, :]
        return (rows[..., ::2] + rows[..., 1::2]) / 4


def _normed(x: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return one image's normed maps (1, C, h, w), their means and inverse deviations (1, C)."""
    _, channels, height, width = x.shape
    # Undocumented, but it gives the statistics that it has computed anyway.
    native = getattr(torch, "native_group_norm", None)
    if native is not None:
        return native(x, scale, shift, 1, channels, height * width, channels, EPSILON)
    variance, mean = torch.var_mean(x, (2, 3), correction=0)
    inverse = (variance + EPSILON).rsqrt()
    return F.group_norm(x, channels, scale, shift, EPSILON), mean, inverse


def _box(share: Tensor, stride: int, reach: int) -> tuple[slice, slice] | None:
    """Return rows and columns that hold a style's share (N, 1, H, W) and what decides about it.

    Multiples of `stride`, or the edges; None where there is no share. A GPU would have to finish
    all it was given before it could answer; there it is everything.
    """
    sides = size_of(share)
    if share.device.type != "cpu":
        return slice(0, sides[0]), slice(0, sides[1])
    seen = share.amax((0, 1)) > 0
    box = []
    for axis, side in enumerate(sides):
        found = seen.any(1 - axis).nonzero()
        if not len(found):
            return None
        first = (int(found[0]) - reach) // stride * stride
        last = -(-(int(found[-1]) + 1 + reach) // stride) * stride
        box.append(slice(max(0, first), min(side, last)))
    return box[0], box[1]
