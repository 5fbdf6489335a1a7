"""The terms of the training loss."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from nst.core.tensors import size_of
from nst.losses.perceptual import (
    content_loss,
    moment_errors,
    relative_error,
    temporal_feature_loss,
    temporal_loss,
    total_variation,
)
from nst.models.transformer_net import TransformerNet
from nst.motion.warp import resize_flow, warp
from nst.options.train import TrainConfig
from nst.train.loss_nets import LossNet
from nst.train.style_targets import Batch
from nst.train.synthetic_motion import SecondFrame

IDENTITY_WEIGHT = 10.0


def losses(
    net: TransformerNet,
    batch: Batch,
    loss_net: LossNet,
    image: Tensor,
    noisy: Tensor,
    config: TrainConfig,
    second: SecondFrame | None = None,
) -> dict[str, Tensor]:
    """Return each loss term of each sample (N,), weighted, and their `total`.

    A sample of the identity has a content and a pixel term; the others content, style (means and
    covariances) and total variation. Terms that a sample does not have are 0. With a `second` frame
    all have a temporal one: along the motion the result may change by the change of light, not
    otherwise.

    Args:
        image: (N, 3, H, W), the content.
        noisy: what the net gets in its place, with grain.
        second: what follows `noisy`.
    """
    paint = partial(net.paint, codes=batch.codes, weights=batch.weights)
    stylized, encoded = paint(noisy)
    stylized = stylized.float()
    with torch.no_grad():
        target = loss_net(image, config.content_layers)
    features = loss_net(stylized, (*config.content_layers, *config.style_layers))
    painted = (batch.style > 0).float()
    chosen = (batch.style[:: batch.group] - 1).clamp_min(0)
    targets = {k: (m[chosen], c[chosen]) for k, (m, c) in batch.targets.items()}
    mean, covariance = (
        error.repeat_interleave(batch.group)
        for error in moment_errors(features, targets, batch.group)
    )
    terms = {
        "content": config.content_weight * content_loss(features, target),
        "style_mean": config.style_weight * mean * painted,
        "style_covariance": config.style_weight * covariance * painted,
        "tv": config.tv_weight * total_variation(stylized) * painted,
        "identity": IDENTITY_WEIGHT * relative_error(stylized, image) * (1 - painted),
    }
    if second is not None:
        followed, encoded_after = paint(second.image.to(noisy.dtype))
        warped = warp(stylized, second.flow)
        change = temporal_loss(followed.float(), warped, second.validity, second.light)
        terms["temporal"] = config.temporal_weight * change
        size = size_of(encoded)
        warped = warp(encoded, resize_flow(second.flow, size))
        validity = F.interpolate(second.validity, size=size, mode="area")
        change = temporal_feature_loss(encoded_after, warped, validity)
        terms["temporal_features"] = config.temporal_feature_weight * change
    return {**terms, "total": torch.stack(list(terms.values())).sum(0)}
