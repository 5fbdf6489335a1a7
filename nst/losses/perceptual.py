"""The losses of neural style transfer, as plain functions.

Gatys et al. sum squared differences with a factor per layer. Here each term is divided by the
energy of its target, so that one weight means the same for every picture, size, layer and set of
VGG weights: a loss of 1 is what all-zero features would give. In Gatys' formula this is a choice of
the layer weights w_l.
"""

import torch
from torch import Tensor


def gram_matrix(features: Tensor) -> Tensor:
    """Return the correlations (N, C, C) between channels, divided by C*H*W.

    Computed in float32 at least, whatever the autocast: half precision overflows to NaN.

    Args:
        features: (N, C, H, W).
    """
    with torch.autocast(features.device.type, enabled=False):
        n, c, h, w = features.shape
        flat = at_least_float32(features).reshape(n, c, h * w)
        return correlations(flat) / (c * h * w)


class _Correlations(torch.autograd.Function):
    @staticmethod
    def forward(ctx, flat: Tensor) -> Tensor:
        ctx.save_for_backward(flat)
        return flat @ flat.mT

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (flat,) = ctx.saved_tensors
        gradient = gradient + gradient.mT
        # In the memory layout of the input.
        return gradient @ flat if flat.stride(-1) == 1 else (flat.mT @ gradient).mT


def correlations(flat: Tensor) -> Tensor:
    """Return f f' (..., C, C) of f (..., C, P).

    Its gradient takes one matrix product; autograd, which sees two factors, would take two.
    """
    return _Correlations.apply(flat)


def relative_error(values: Tensor, target: Tensor) -> Tensor:
    """Return the squared error of each sample (N,), divided by its target's energy.

    Args:
        values: (N, ...).
        target: the same shape, or (1, ...).
    """
    values, target = (at_least_float32(x).flatten(1) for x in (values, target))
    return (values - target).square().sum(1) / target.square().sum(1).clamp_min(1e-12)


def content_loss(features: dict[str, Tensor], target: dict[str, Tensor]) -> Tensor:
    """Return the relative error of the features (N,), averaged over the target's layers.

    Gatys et al., "A Neural Algorithm of Artistic Style", 2015, equation 1, but relative.
    """
    return torch.stack([relative_error(features[k], target[k]) for k in target]).mean(0)


def style_loss(features: dict[str, Tensor], target_grams: dict[str, Tensor]) -> Tensor:
    """Return the relative error of the Gram matrices (N,), averaged over the target's layers.

    Gatys et al. 2015, equations 3 to 5, but relative.

    Args:
        features: of the stylized image.
        target_grams: layer -> (N, C, C) or (1, C, C).
    """
    terms = [relative_error(gram_matrix(features[k]), target_grams[k]) for k in target_grams]
    return torch.stack(terms).mean(0)


def feature_moments(features: Tensor, group: int = 1) -> tuple[Tensor, Tensor]:
    """Return the mean (N / group, C) and the centered covariance (N / group, C, C) of features.

    The Gram matrix is the sum of both, dominated by the mean: color and brightness. Strokes are
    in the covariance.

    Args:
        features: (N, C, H, W).
        group: successive images that share one canvas; N is a multiple of it.
    """
    with torch.autocast(features.device.type, enabled=False):
        n, c, h, w = features.shape
        flat = at_least_float32(features).flatten(2)
        flat = flat.view(n // group, group, c, h * w).transpose(1, 2).flatten(2)
        mean = flat.mean(2)
        return mean, correlations(flat - mean[..., None]) / flat.shape[2]


def moment_errors(
    features: dict[str, Tensor], targets: dict[str, tuple[Tensor, Tensor]], group: int = 1
) -> tuple[Tensor, Tensor]:
    """Return the relative errors of the means and of the covariances, each averaged over layers.

    Together they replace Gatys' style loss; the first is about colors, the second about strokes.

    Args:
        features: of the stylized images (N, C, H, W), for each layer of the targets.
        targets: layer -> mean (1 or N / group, C) and covariance (1 or N / group, C, C).
        group: see `feature_moments`.

    Returns:
        (N / group,) each.
    """
    means, covariances = [], []
    for layer, (target_mean, target_covariance) in targets.items():
        mean, covariance = feature_moments(features[layer], group)
        means.append(relative_error(mean, target_mean))
        covariances.append(relative_error(covariance, target_covariance))
    return torch.stack(means).mean(0), torch.stack(covariances).mean(0)


def total_variation(image: Tensor) -> Tensor:
    """Return the mean squared difference between neighbors (N,), both directions added.

    A checkerboard of 0 and 1 gives 2.
    """
    across = (image[..., :, 1:] - image[..., :, :-1]).square().mean((1, 2, 3))
    down = (image[..., 1:, :] - image[..., :-1, :]).square().mean((1, 2, 3))
    return across + down


def temporal_loss(
    stylized: Tensor, warped: Tensor, validity: Tensor, luminance_change: Tensor | None = None
) -> Tensor:
    """Return the mean squared change (N,) along the motion, over the valid pixels.

    Ruder et al., "Artistic Style Transfer for Videos", 2016, equation 8; with
    `luminance_change`, the output term of Gao et al., "ReCoNet", 2018, equation 9: the result may
    change in luminance as the input does.

    Args:
        stylized: (N, 3, H, W), at time t.
        warped: the result at t-1, warped to t.
        validity: (N, 1, H, W).
        luminance_change: (N, 1, H, W), the input's luminance at t less that at t-1 warped to t.
    """
    change = stylized - warped if luminance_change is None else stylized - warped - luminance_change
    trusted = validity.sum((1, 2, 3)).clamp_min(1) * stylized.shape[1]
    return (change.square() * validity).sum((1, 2, 3)) / trusted


def temporal_feature_loss(features: Tensor, warped: Tensor, validity: Tensor) -> Tensor:
    """Return the change of features along the motion (N,), relative to their energy.

    The feature term of Gao et al., "ReCoNet", 2018, equation 8, but relative.

    Args:
        features: (N, C, h, w), at time t.
        warped: those at t-1, warped to t.
        validity: (N, 1, h, w).
    """
    energy = at_least_float32(features).square().mean((1, 2, 3)).clamp_min(1e-12)
    return temporal_loss(features, warped, validity) / energy


def wasserstein_distance(
    mean: Tensor, second: Tensor, target_mean: Tensor, target_second: Tensor
) -> Tensor:
    """Return the squared 2-Wasserstein distance (K,) of normal distributions, relative.

    Olkin and Pukelsheim, "The Distance between Two Random Vectors with Given Dispersion Matrices",
    1982: |m - m'|^2 + tr(S + S' - 2 (S'^1/2 S S'^1/2)^1/2), divided by the target's energy, so that
    all-zero features give about 1.

    Args:
        mean, target_mean: (K, C).
        second, target_second: (K, C, C), second moments about 0; symmetric.
    """
    wanted = mean.dtype
    # In float64: float32's rounding error is as large as the smaller half of the eigenvalues.
    mean, second, target_mean, target_second = (
        x.double() for x in (mean, second, target_mean, target_second)
    )
    covariance = second - mean[:, :, None] * mean[:, None, :]
    target = target_second - target_mean[:, :, None] * target_mean[:, None, :]
    values, vectors = torch.linalg.eigh(target)
    root = (vectors * values.clamp_min(0).sqrt()[:, None, :]) @ vectors.transpose(1, 2)
    energy = target_second.diagonal(dim1=1, dim2=2).sum(1).clamp_min(1e-12)
    # The root's gradient is infinite at 0, where rounding puts the directions without energy.
    minimum = (energy * 1e-4)[:, None].square()
    between = torch.linalg.eigvalsh(root @ covariance @ root).clamp_min(0)
    shared = ((between + minimum).sqrt() - minimum.sqrt()).sum(1)
    own = ((values.square() + minimum).sqrt() - minimum.sqrt()).sum(1)  # shared with itself
    traces = (covariance - target).diagonal(dim1=1, dim2=2).sum(1)
    distance = (mean - target_mean).square().sum(1) + traces - 2 * (shared - own)
    return (distance / energy).to(wanted)


def at_least_float32(x: Tensor) -> Tensor:
    """Return half precision in float32, everything else as it is."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
