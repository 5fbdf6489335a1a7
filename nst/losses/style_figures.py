"""Distance of a picture from a style, as reports and benchmarks state it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nst.core.tensors import size_of
from nst.losses.metrics import style_distances
from nst.losses.perceptual import feature_moments, gram_matrix, moment_errors
from nst.models.vgg import VGGFeatures
from nst.options.shared import STYLE_LAYERS

MOMENT_LAYERS = (*STYLE_LAYERS, "relu5_1")


@dataclass(frozen=True)
class StyleReference:
    """Statistics of a style's features; of several pictures, their weighted mean.

    Args:
        moments: layer of `MOMENT_LAYERS` -> mean (1, C) and centered covariance (1, C, C).
        grams: layer of `STYLE_LAYERS` -> (1, C, C).
        sizes: of each picture when it was measured: the width of a stroke depends on it.
    """

    moments: dict[str, tuple[Tensor, Tensor]]
    grams: dict[str, Tensor]
    sizes: list[tuple[int, int]]


@torch.inference_mode()
def style_reference(vgg: VGGFeatures, pictures: Sequence[tuple[Tensor, float]]) -> StyleReference:
    """Return the statistics that results in the style of these pictures are compared with.

    Args:
        pictures: each image (1, 3, H, W) with its weight; the weights sum to 1.

    Raises:
        InputError: a picture is too small for VGG-19.
    """
    means: dict[str, Tensor] = {}
    covariances: dict[str, Tensor] = {}
    grams: dict[str, Tensor] = {}
    for picture, weight in pictures:
        for layer, features in vgg(picture.to(vgg.mean.device), MOMENT_LAYERS).items():
            mean, covariance = feature_moments(features)
            means[layer] = means.get(layer, 0) + weight * mean
            covariances[layer] = covariances.get(layer, 0) + weight * covariance
            if layer in STYLE_LAYERS:
                grams[layer] = grams.get(layer, 0) + weight * gram_matrix(features)
    moments = {layer: (means[layer], covariances[layer]) for layer in MOMENT_LAYERS}
    return StyleReference(moments, grams, [size_of(picture) for picture, _ in pictures])


def style_figures(features: dict[str, Tensor], target: StyleReference) -> dict[str, float]:
    """Return the relative squared errors of a picture's features, averaged over the layers.

    `mean` (color and brightness) and `covariance` (strokes) are those of `MOMENT_LAYERS`, `gram`
    that of the uncentered Gram matrices, which the means dominate. 0 is the style itself; 1 is what
    an all-zero picture's features would give.

    Args:
        features: of an image, with the target's layers.
    """
    mean, covariance = moment_errors(features, target.moments)
    layers = style_distances(features, target.grams)
    gram = sum(layers.values()) / len(layers)
    return {"mean": float(mean), "covariance": float(covariance), "gram": gram}
