"""Optimizes the frames of a video, with losses that compare each with earlier results.

Ruder et al., "Artistic Style Transfer for Videos", 2016.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from nst.core.color import hold_colors
from nst.core.tensors import resize, size_of
from nst.losses.moments import blend_moments
from nst.losses.perceptual import temporal_loss
from nst.models.vgg import VGGFeatures
from nst.motion.coherence import motion_between
from nst.motion.flow import FlowEstimator
from nst.optimize.coarse_to_fine import (
    Sources,
    build_objective,
    noise_like,
    optimize_image,
    paint,
    scale_sizes,
)
from nst.optimize.colors import in_colors_of
from nst.optimize.frame_store import FrameStore
from nst.optimize.memory import plan_memory
from nst.optimize.objective import FeatureTarget, StyleTarget, picture_features, picture_moments
from nst.optimize.style_targets import style_target
from nst.options.stylize import VideoConfig

TEMPORAL_LAYERS = ("relu1_1", "relu2_1")
# See `motion_between`: a ball that the flow has lost gets a low validity, a shadow does not.
DIFFERENCE = 40 / 255


class FramePainter:
    """Paints the frames of a store, one at a time."""

    def __init__(
        self,
        config: VideoConfig,
        store: FrameStore,
        vgg: VGGFeatures,
        styles: list[Tensor],
        flow: FlowEstimator | None,
    ):
        self.config, self.store, self.vgg, self.styles, self.flow = config, store, vgg, styles, flow
        weight = vgg.weight
        self.device = weight.device
        self._measured = first = store.content(0).to(self.device)
        self.plan = plan_memory(size_of(first), config, self.device, weight.dtype)
        recolor = first if config.preserve_color == "histogram" else None
        self.style = style_target(
            vgg,
            [style.to(self.device) for style in styles],
            max(first.shape[-2:]),
            config,
            recolor,
            tile=self.plan.tile,
        )

    def steps(self, pass_number: int, number: int) -> Iterator[Tensor]:
        """Paint a frame in a pass and yield the image after each step."""
        config, store = self.config, self.store
        content = store.content(number).to(self.device)
        earlier = self._earlier(pass_number, number)
        warped = warp_earlier(content, earlier, self.flow) if earlier and self.flow else None
        if config.preserve_color == "none":
            content = in_colors_of(content, self.styles, config.blend, measured=self._measured)
        if pass_number > 1:
            own = store.result(pass_number - 1, number).to(self.device)
            if warped is None:  # the first frame of a pass has no earlier one to agree with
                yield own
                return
            start = torch.lerp(own, warped[0], 0.5 * warped[1])
        elif warped is None:
            store.begin_shot(number)
            yield from self._first(content)
            return
        elif config.init_image == "previous":
            start = torch.lerp(content, *warped)
        else:
            start = content if config.init_image == "content" else noise_like(content, config.seed)
        features, terms = self._temporal_terms(*warped)
        style = self._style(earlier[0][1])
        objective = build_objective(self.vgg, content, style, config, self.plan, features, terms)
        for step in paint(objective, start, config, config.frame_steps, self.plan):
            yield step.image

    def _first(self, content: Tensor) -> Iterator[Tensor]:
        """Paint the first frame of a shot, coarse to fine."""
        start = content
        if self.config.init_image == "noise":
            coarse = scale_sizes(size_of(content), self.config.scales)[0]
            start = noise_like(resize(content, coarse), self.config.seed)
        recolor = self.config.preserve_color == "histogram"
        sources = Sources(content, self.styles)
        for progress in optimize_image(sources, self.vgg, self.config, start, recolor):
            yield progress.step.image

    def _earlier(self, pass_number: int, number: int) -> list[tuple[Tensor, Tensor]]:
        """Return frames that a pass painted before this one, with their results, nearest first."""
        store, count = self.store, len(self.store.times)
        direction = 1 if pass_number % 2 else -1
        earlier = []
        for lag in sorted(set(self.config.lags)):
            other = number - direction * lag
            if self.config.loop and pass_number > 1 and lag < count:
                other %= count
            if not 0 <= other < count:
                continue
            there = pass_number if store.has(pass_number, other) else pass_number - 1
            result = store.result(there, other).to(self.device)
            if there == 1:
                reference = store.result(1, store.shot_of(other)).to(self.device)
                result = hold_colors(result, reference)
            earlier.append((store.content(other).to(self.device), result))
        return earlier

    def _temporal_terms(self, warped: Tensor, validity: Tensor):
        """Return the temporal losses, on features and on pixels."""
        features, terms = [], {}
        if self.config.temporal_feature_weight:
            weight = self.config.temporal_feature_weight / len(TEMPORAL_LAYERS)
            wanted = picture_features(self.vgg, warped, TEMPORAL_LAYERS, self.plan.tile)
            for layer, values in wanted.items():
                pixels = F.adaptive_avg_pool2d(validity, size_of(values))
                features.append(FeatureTarget("temporal_features", layer, values, weight, pixels))
        if self.config.temporal_weight:
            terms["temporal"] = lambda image: (
                self.config.temporal_weight * temporal_loss(image, warped, validity).sum()
            )
        return features, terms

    def _style(self, previous: Tensor) -> StyleTarget:
        weight = self.config.style_from_previous
        if not weight:
            return self.style
        layers = self.config.style_layers
        moments = picture_moments(self.vgg, previous, layers, tile=self.plan.tile)
        return replace(
            self.style, moments=blend_moments([self.style.moments, moments], [1 - weight, weight])
        )


def warp_earlier(
    frame: Tensor, earlier: Sequence[tuple[Tensor, Tensor]], flow: FlowEstimator
) -> tuple[Tensor, Tensor] | None:
    """Return earlier results warped to `frame` (1, 3, H, W), and their validity (1, 1, H, W).

    Each pixel comes from the nearest frame in which it is valid: the long-term weights of Ruder et
    al., "Artistic Style Transfer for Videos", 2016, equation 13. None when no pixel is valid. What
    looks a little different along the motion, as in a shadow, is warped too and then repainted.

    Args:
        earlier: other frames and their results, the nearest first.
    """
    size, now = size_of(frame), flow.prepare(frame)
    total, validity = torch.zeros_like(frame), frame.new_zeros(1, 1, *size)
    for other, result in earlier:
        motion = motion_between(flow, now, flow.prepare(other), DIFFERENCE)
        if motion is None:
            continue
        weight = (motion.trusted(size).to(frame.device) - validity).clamp_min(0)
        total, validity = total + weight * motion.warp(result), validity + weight
    if not validity.any():
        return None
    return torch.where(validity > 0, total / validity.clamp_min(1e-6), frame), validity
