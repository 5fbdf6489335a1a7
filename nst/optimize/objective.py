"""The loss of an optimized picture: its terms and its gradient.

A large picture is computed tile by tile, exactly. The first pass sums the feature moments over the
tiles; the second backpropagates the style loss through each tile. Tiles overlap by the receptive
field, so that features are those of the whole picture.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from operator import add

import torch
from torch import Tensor

from nst.core.tensors import size_of
from nst.losses.moments import Moments, layer_weights, moment_sums, style_distance
from nst.losses.perceptual import at_least_float32
from nst.models.vgg import VGGFeatures, stride_and_halo


@dataclass(frozen=True)
class FeatureTarget:
    """Target features (1, C, h, w) of a layer, and the weight of each pixel (1, 1, h, w).

    The term is their squared difference, each pixel times its weight, relative to the
    weighted energy of the values.
    """

    term: str
    layer: str
    values: Tensor
    weight: float
    pixels: Tensor | None = None

    def scale(self) -> Tensor:
        """Return the weight divided by the weighted energy of the values."""
        energy = at_least_float32(self.values).square()
        if self.pixels is not None:
            energy = energy * self.pixels
        return self.weight / energy.sum().clamp_min(1e-12)


@dataclass(frozen=True)
class StyleTarget:
    """Target moments of K regions.

    Args:
        loss: gram or wasserstein.
        weights: (K,), of each region's distance.
        masks: (K, H, W), where the regions are; None is one that is everywhere.
    """

    moments: Moments
    loss: str
    weights: Tensor
    masks: Tensor | None = None


@dataclass(frozen=True)
class Window:
    """A tile of the picture: what it owns and the overlap around it, both (top, bottom, ...)."""

    inner: tuple[int, int, int, int]
    outer: tuple[int, int, int, int]

    def crop(self, image: Tensor) -> Tensor:
        """Cut the tile with its overlap out of (..., H, W)."""
        top, bottom, left, right = self.outer
        return image[..., top:bottom, left:right]

    def own(self, values: Tensor, stride: int) -> Tensor:
        """Cut what the tile owns out of its own features (..., h, w)."""
        top, bottom, left, right = (
            (edge - self.outer[2 * (i // 2)]) // stride for i, edge in enumerate(self.inner)
        )
        if (top, left, bottom, right) == (0, 0, *values.shape[-2:]):
            return values  # the gradient of a slice would be a new map
        return values[..., top:bottom, left:right]

    def own_of_whole(self, values: Tensor, stride: int) -> Tensor:
        """Cut what the tile owns out of the whole picture's features (..., h, w)."""
        top, bottom, left, right = (edge // stride for edge in self.inner)
        return values[..., top:bottom, left:right]


def windows(
    size: tuple[int, int], tile: int | None, layers: tuple[str, ...], shift: int = 0
) -> list[Window]:
    """Cut a picture into tiles of this side; `shift` moves the cuts. None is one tile.

    Cuts lie on the grid of the deepest layer, so that pooling sees the same pixels as in the
    whole picture.
    """
    stride, halo = stride_and_halo(layers)
    halo += -halo % stride
    tile = max(stride, tile // stride * stride) if tile else max(size) + stride
    shift = shift * stride % tile if tile < max(size) else 0
    spans = []
    for length in size:
        cuts = [0, *range(tile - shift, length - stride, tile), length]
        spans.append(
            [
                ((a, b), (max(0, a - halo), min(length, b + halo)))
                for a, b in zip(cuts, cuts[1:], strict=False)
            ]
        )
    return [
        Window((*rows, *columns), (*outer_rows, *outer_columns))
        for rows, outer_rows in spans[0]
        for columns, outer_columns in spans[1]
    ]


@dataclass
class Objective:
    """The loss of an image (1, 3, H, W): call it for its terms, weighted, and its gradient.

    Args:
        style_weight: None leaves the style out.
        pixel_terms: name -> function of the image; its autograd needs little memory.
        tile: side of a tile in pixels; None computes the picture as a whole.
        recompute: see `VGGFeatures.forward`.
    """

    vgg: VGGFeatures
    style: StyleTarget
    style_weight: float
    features: list[FeatureTarget] = field(default_factory=list)
    pixel_terms: dict[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    tile: int | None = None
    recompute: bool = False

    def __post_init__(self) -> None:
        self._scales = [target.scale() for target in self.features]
        self._layers = tuple({*self.style.moments, *(target.layer for target in self.features)})
        self._calls = 0

    def __call__(self, image: Tensor) -> tuple[dict[str, float], Tensor]:
        """Return {term: value} and the gradient (1, 3, H, W) of their sum."""
        image = image.detach()
        terms: dict[str, Tensor] = {}
        gradient = torch.zeros_like(image)
        if self.pixel_terms:
            leaf = image.clone().requires_grad_()
            terms |= {name: f(leaf) for name, f in self.pixel_terms.items()}
            (gradient,) = torch.autograd.grad(_total(terms), leaf)
            terms = {name: value.detach() for name, value in terms.items()}
        # The cuts move from call to call, so that rounding errors do not add up to a seam.
        tiles = windows(size_of(image), self.tile, self._layers, 7 * self._calls)
        self._calls += 1
        weights = _region_weights(self.style.masks, image, tuple(self.style.moments))
        gradients = None
        if len(tiles) > 1:
            terms["style"], gradients = self._style_gradients(image, tiles, weights)
        for window in tiles:
            crop = window.crop(image).clone().requires_grad_()
            features = self.vgg(crop, self._layers, self.recompute)
            parts = self._feature_terms(features, window)
            sums = _sums(features, window, weights)
            if gradients is None:
                parts["style"] = self._style_term(sums, weights)
                total = _total(parts)
            else:
                pairs = zip(_flat(sums), gradients, strict=True)
                total = _total(parts)
                for a, b in pairs:
                    total = total + (a * b).sum()
            top, bottom, left, right = window.outer
            gradient[..., top:bottom, left:right] += torch.autograd.grad(total, crop)[0]
            for name, value in parts.items():
                terms[name] = terms.get(name, 0) + value.detach()
        return {name: float(value) for name, value in terms.items()}, gradient

    def _style_gradients(self, image, tiles, weights) -> tuple[Tensor, list[Tensor]]:
        """Return the style term and its gradient with respect to the whole picture's sums."""
        total = _add_up(self.vgg, image, tiles, weights)
        leaves = [x.requires_grad_() for x in _flat(total)]
        loss = self._style_term(total, weights)
        gradients = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
        return loss.detach(), list(gradients)

    def _style_term(self, sums: Moments, weights: dict[str, Tensor]) -> Tensor:
        distance = style_distance(self.style.loss, _means(sums, weights), self.style.moments)
        return self.style_weight * (distance * self.style.weights).sum()

    def _feature_terms(self, features, window: Window) -> dict[str, Tensor]:
        terms: dict[str, Tensor] = {}
        for target, scale in zip(self.features, self._scales, strict=True):
            stride, _ = stride_and_halo((target.layer,))
            target_values = window.own_of_whole(target.values, stride)
            error = at_least_float32(window.own(features[target.layer], stride)) - target_values
            error = error.square()
            if target.pixels is not None:
                error = error * window.own_of_whole(target.pixels, stride)
            terms[target.term] = terms.get(target.term, 0) + scale * error.sum()
        return terms


def picture_moments(
    vgg: VGGFeatures,
    image: Tensor,
    layers: tuple[str, ...],
    masks: Tensor | None = None,
    tile: int | None = None,
) -> Moments:
    """Return the moments of an image (1, 3, H, W), or of its K regions (K, H, W)."""
    weights = _region_weights(masks, image, layers)
    tiles = windows(size_of(image), tile, layers)
    return _means(_add_up(vgg, image, tiles, weights), weights)


@torch.no_grad()
def picture_features(
    vgg: VGGFeatures, image: Tensor, layers: tuple[str, ...], tile: int | None = None
) -> dict[str, Tensor]:
    """Return {layer: (1, C, h, w)} of an image, put together from its tiles."""
    size = size_of(image)
    tiles = windows(size, tile, layers)
    if len(tiles) == 1:
        return vgg(image, layers)
    whole: dict[str, Tensor] = {}
    for window in tiles:
        for layer, values in vgg(window.crop(image), layers).items():
            stride, _ = stride_and_halo((layer,))
            if layer not in whole:
                small = (side // stride for side in size)
                whole[layer] = values.new_empty(1, values.shape[1], *small)
            window.own_of_whole(whole[layer], stride).copy_(window.own(values, stride))
    return whole


def _region_weights(
    masks: Tensor | None, image: Tensor, layers: tuple[str, ...]
) -> dict[str, Tensor]:
    """Return each layer's regions (K, h, w); without masks one that is everywhere, (1, 1, 1)."""
    weights = {}
    for layer in layers:
        stride, _ = stride_and_halo((layer,))
        size = image.shape[-2] // stride, image.shape[-1] // stride
        ones = image.new_ones(1, 1, 1).expand(1, *size)
        weights[layer] = ones if masks is None else layer_weights(masks, size, layer)
    return weights


def _sums(features: dict[str, Tensor], window: Window, weights: dict[str, Tensor]) -> Moments:
    sums = {}
    for layer, rows in weights.items():
        stride, _ = stride_and_halo((layer,))
        sums[layer] = moment_sums(
            window.own(features[layer], stride), window.own_of_whole(rows, stride)
        )
    return sums


@torch.no_grad()
def _add_up(vgg, image: Tensor, tiles: list[Window], weights: dict[str, Tensor]) -> Moments:
    total: Moments = {}
    for window in tiles:
        sums = _sums(vgg(window.crop(image), tuple(weights)), window, weights)
        for layer, (first, second) in sums.items():
            before = total.get(layer, (0, 0))
            total[layer] = before[0] + first, before[1] + second
    return total


def _means(sums: Moments, weights: dict[str, Tensor]) -> Moments:
    """Divide the sums by what each region covers."""
    areas = {layer: rows.sum((1, 2)).clamp_min(1e-6)[:, None] for layer, rows in weights.items()}
    return {
        layer: (first / areas[layer], second / areas[layer][..., None])
        for layer, (first, second) in sums.items()
    }


def _flat(sums: Moments) -> list[Tensor]:
    return [tensor for pair in sums.values() for tensor in pair]


def _total(terms: dict[str, Tensor]) -> Tensor:
    return reduce(add, terms.values())
