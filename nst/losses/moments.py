"""Means and second moments of VGG features, of the whole image or of each region.

Moments are sums over pixels. So they can be added up tile by tile, a blend of styles is a weighted
mean of their moments, and soft regions weight each pixel.
"""

from collections.abc import Iterable
from functools import reduce
from operator import add

import torch
import torch.nn.functional as F
from torch import Tensor

from nst.losses.perceptual import (
    at_least_float32,
    correlations,
    relative_error,
    wasserstein_distance,
)

# layer -> (mean (K, C), second moment (K, C, C)) of K regions
Moments = dict[str, tuple[Tensor, Tensor]]


def moment_sums(features: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sums over the pixels of f (K, C) and f f' (K, C, C), in float32 at least.

    Args:
        features: (1, C, H, W).
        weights: (K, H, W) in [0, 1]; f f' times the weight is the product of two f, each times its
            square root.
    """
    with torch.autocast(features.device.type, enabled=False):
        # Not features[0]: the gradient of an index is a new map, in another memory layout.
        flat = at_least_float32(features).squeeze(0).flatten(1)
        rows = weights.flatten(1).to(flat)
        if len(rows) == 1 and not weights.stride(-1):  # one number, repeated: no copy is needed
            return (flat.sum(1) * rows[0, 0])[None], (correlations(flat) * rows[0, 0])[None]
        return rows @ flat.T, torch.stack([(flat * row) @ flat.T for row in rows])


def layer_weights(masks: Tensor, size: tuple[int, int], layer: str) -> Tensor:
    """Bring regions (K, H, W) to a layer's resolution: (K, h, w).

    Pooled, and from the second block on eroded by one pixel of the layer, so that the receptive
    field of a deep feature lies inside the region (the guidance of Gatys et al., "Controlling
    Perceptual Factors in Neural Style Transfer", 2017). A region too small for that is kept whole.
    """
    pooled = F.adaptive_avg_pool2d(masks[None], size)[0]
    if layer.startswith("relu1"):
        return pooled
    eroded = -F.max_pool2d(-pooled[None], 3, 1, 1)[0]
    kept = eroded.sum((1, 2), keepdim=True) > 0.1 * pooled.sum((1, 2), keepdim=True)
    return torch.where(kept, eroded, pooled)


def blend_moments(moments: Iterable[Moments], weights: Iterable[float]) -> Moments:
    """Return the weighted mean of moments, as of one picture made of all of them."""
    pairs = list(zip(moments, weights, strict=True))
    total = sum(weight for _, weight in pairs)

    def mean(layer: str, i: int) -> Tensor:
        return reduce(add, (m[layer][i] * (w / total) for m, w in pairs))

    return {layer: (mean(layer, 0), mean(layer, 1)) for layer in pairs[0][0]}


def style_distance(loss: str, moments: Moments, target: Moments) -> Tensor:
    """Return the relative distance (K,) of each region's style, averaged over the layers.

    Args:
        loss: moments, the errors of the means and of the centered covariances; gram (Gatys
            et al. 2015), which the means dominate; or wasserstein, between normal distributions of
            the features.
    """
    terms = []
    for layer, (mean, second) in target.items():
        found_mean, found_second = moments[layer]
        if loss == "moments":
            covariance, found = (_covariance(*each) for each in ((mean, second), moments[layer]))
            errors = relative_error(found_mean, mean) + relative_error(found, covariance)
            terms.append(errors / 2)
        elif loss == "gram":
            terms.append(relative_error(found_second, second))
        else:
            terms.append(wasserstein_distance(found_mean, found_second, mean, second))
    return torch.stack(terms).mean(0)


def _covariance(mean: Tensor, second: Tensor) -> Tensor:
    return second - mean[..., :, None] * mean[..., None, :]
