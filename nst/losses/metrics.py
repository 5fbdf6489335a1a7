"""Metrics of stylized images: SSIM, distances of style and content, errors over time."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nst.core.tensors import blur, size_of, to_uint8
from nst.losses.perceptual import (
    at_least_float32,
    content_loss,
    gram_matrix,
    relative_error,
    temporal_loss,
)
from nst.models.vgg import VGGFeatures
from nst.motion.warp import warp

PERCEPTUAL_LAYERS = ("relu1_1", "relu2_1", "relu3_1")


def ssim(image: Tensor, reference: Tensor) -> float:
    """Return the structural similarity of two images (1, 3, H, W), mean over RGB.

    Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004,
    with their Gaussian window of 11 pixels, computed by scikit-image.
    """
    from skimage.metrics import structural_similarity  # late: training runs without it

    return float(
        structural_similarity(
            to_uint8(image),
            to_uint8(reference),
            channel_axis=2,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def style_distances(features: dict[str, Tensor], grams: dict[str, Tensor]) -> dict[str, float]:
    """Return the relative error of the Gram matrices, layer by layer.

    0 is the style itself, 1 what an all-zero picture's features would give.
    """
    errors = {k: relative_error(gram_matrix(features[k]), grams[k]) for k in grams}
    return {layer: float(error.mean()) for layer, error in errors.items()}


def content_distance(features: dict[str, Tensor], target: dict[str, Tensor]) -> float:
    """Return the relative error of the features, averaged over the target's layers.

    0 is the content itself, 1 what an all-zero picture's features would give.
    """
    return float(content_loss(features, target).mean())


def warping_error(stylized: Tensor, warped: Tensor, validity: Tensor) -> float:
    """Return the mean squared change along the motion, over the valid pixels.

    A video's warping error is the root of the mean of its pairs': per channel, 1 is from black to
    white. Lai et al., "Learning Blind Video Temporal Consistency", 2018, equation 8, as a root; the
    flow and the validity are the original's.

    Args:
        stylized: (1, 3, H, W), the result at time t.
        warped: the result at t - lag, warped to t.
        validity: (1, 1, H, W).
    """
    return float(temporal_loss(stylized, warped, validity).mean())


def feature_warping_error(
    vgg: VGGFeatures, stylized: Tensor, warped: Tensor, validity: Tensor
) -> float:
    """Return the mean squared change of unit-length VGG-19 features along the motion.

    Each position's features, of `PERCEPTUAL_LAYERS`, are divided by their length, as by Zhang et
    al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", 2018. It is not
    their LPIPS, whose layers, net and learned weights are others. From 0 to 2.

    Args:
        stylized, warped, validity: as for `warping_error`.
    """
    # Invalid pixels are made the same on both sides, so that no feature sees a change there.
    pair = torch.cat([stylized, torch.lerp(stylized, warped.clamp(0, 1), validity)])
    errors = []
    for features in vgg(pair, PERCEPTUAL_LAYERS).values():
        now, before = F.normalize(at_least_float32(features), dim=1).chunk(2)
        trusted = F.adaptive_avg_pool2d(validity, size_of(now))
        change = (now - before).square().sum(1, keepdim=True) * trusted
        errors.append(change.sum() / trusted.sum().clamp_min(1))
    return float(torch.stack(errors).mean())


def detail(image: Tensor) -> float:
    """Return the energy of the fine detail of an image (1, 3, H, W): what a 3x3 mean removes."""
    return float((image - blur(image)).square().mean())


def ghost(
    stylized: Tensor, alone: Tensor, warped: Tensor, uncovered: Tensor
) -> tuple[float, float]:
    """Return how much of the previous frame shows through on ground that was just uncovered.

    The first number by the second, each summed over a video's frames, is the weight w of the
    warped previous result, by least squares: stylized = (1 - w) alone + w warped. A frame painted
    alone has 0.

    Args:
        stylized: (1, 3, H, W), the result at time t.
        alone: the same frame painted without memory.
        warped: the result at t-1, warped to t: where ground was uncovered, what covered it.
        uncovered: (1, 1, H, W), see `warp.uncovered`.
    """
    trace = (warped - alone) * uncovered
    return float(((stylized - alone) * trace).sum()), float(trace.square().sum())


def e_stab(results: list[Tensor], flows: list[Tensor], masks: list[Tensor]) -> float:
    """Return the stability error of Huang et al., "Real-Time Neural Style Transfer for Videos",
    2017, equation 7: each result is compared with the next one, warped back along the true flow.

    Unlike the warping error it divides by all pixels, not by those that count.

    Args:
        results: T images (1, 3, H, W).
        flows: T - 1 flows (1, 2, H, W), forward: t -> t + 1, on the grid of t.
        masks: T - 1 masks (1, 1, H, W), 1 where t is seen at t + 1 too.

    Raises:
        ValueError: there are not exactly one flow and one mask fewer than results.
    """
    errors = [
        ((result - warp(following, flow)) * mask).square().mean()
        for result, following, flow, mask in zip(
            results[:-1], results[1:], flows, masks, strict=True
        )
    ]
    return float(torch.stack(errors).mean().sqrt())
