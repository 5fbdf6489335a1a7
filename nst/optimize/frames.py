"""A video's frames optimized one at a time, each tied to those before it.

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
    style_target,
)
from nst.optimize.frame_store import FrameStore
from nst.optimize.memory import plan_memory
from nst.optimize.objective import FeatureTarget, StyleTarget, picture_features, picture_moments
from nst.options.stylize import VideoConfig

TEMPORAL_LAYERS = ("relu1_1", "relu2_1")
# See `motion_between`: a ball that the flow has lost is doubted, a shadow is not.
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
        first = store.content(0).to(self.device)
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

    def steps(self, turn: int, number: int) -> Iterator[Tensor]:
        """Paint a frame in a pass and yield the image after each step."""
        config, store = self.config, self.store
        content = store.content(number).to(self.device)
        seen = self._seen(turn, number)
        carried = carry(content, seen, self.flow) if seen and self.flow else None
        if turn > 1:
            own = store.result(turn - 1, number).to(self.device)
            if carried is None:  # where a pass begins there is nothing to agree with
                yield own
                return
            start = torch.lerp(own, carried[0], 0.5 * carried[1])
        elif carried is None:
            store.begin_shot(number)
            yield from self._first(content)
            return
        elif config.init_image == "previous":
            start = torch.lerp(content, *carried)
        else:
            start = content if config.init_image == "content" else noise_like(content, config.seed)
        features, terms = self._ties(*carried)
        style = self._style(seen[0][1])
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

    def _seen(self, turn: int, number: int) -> list[tuple[Tensor, Tensor]]:
        """Return the frames that a pass has done before this one, and their results."""
        store, count = self.store, len(self.store.times)
        direction = 1 if turn % 2 else -1
        seen = []
        for lag in sorted(set(self.config.lags)):
            other = number - direction * lag
            if self.config.loop and turn > 1 and lag < count:
                other %= count
            if not 0 <= other < count:
                continue
            there = turn if store.has(turn, other) else turn - 1
            result = store.result(there, other).to(self.device)
            if there == 1:
                reference = store.result(1, store.shot_of(other)).to(self.device)
                result = hold_colors(result, reference)
            seen.append((store.content(other).to(self.device), result))
        return seen

    def _ties(self, carried: Tensor, validity: Tensor):
        """Return the temporal losses, on features and on pixels."""
        features, terms = [], {}
        if self.config.temporal_feature_weight:
            share = self.config.temporal_feature_weight / len(TEMPORAL_LAYERS)
            wanted = picture_features(self.vgg, carried, TEMPORAL_LAYERS, self.plan.tile)
            for layer, values in wanted.items():
                pixels = F.adaptive_avg_pool2d(validity, size_of(values))
                features.append(FeatureTarget("temporal_features", layer, values, share, pixels))
        if self.config.temporal_weight:
            terms["temporal"] = lambda image: (
                self.config.temporal_weight * temporal_loss(image, carried, validity).sum()
            )
        return features, terms

    def _style(self, previous: Tensor) -> StyleTarget:
        share = self.config.style_from_previous
        if not share:
            return self.style
        layers = self.config.style_layers
        moments = picture_moments(self.vgg, previous, layers, tile=self.plan.tile)
        return replace(
            self.style, moments=blend_moments([self.style.moments, moments], [1 - share, share])
        )


def carry(
    frame: Tensor, seen: Sequence[tuple[Tensor, Tensor]], flow: FlowEstimator
) -> tuple[Tensor, Tensor] | None:
    """Return the results carried to `frame` (1, 3, H, W) and where they hold (1, 1, H, W).

    Each pixel is tied to the nearest frame that saw it, the long-term weights of Ruder et al.,
    "Artistic Style Transfer for Videos", 2016, equation 13. None where no frame saw anything. What
    looks a little otherwise along the motion, as in a shadow, is carried too and then repainted.

    Args:
        seen: other frames and what they became, the nearest first.
    """
    size, now = size_of(frame), flow.prepare(frame)
    total, validity = torch.zeros_like(frame), frame.new_zeros(1, 1, *size)
    for other, result in seen:
        motion = motion_between(flow, now, flow.prepare(other), DIFFERENCE)
        if motion is None:
            continue
        share = (motion.trusted(size).to(frame.device) - validity).clamp_min(0)
        total, validity = total + share * motion.carry(result), validity + share
    if not validity.any():
        return None
    return torch.where(validity > 0, total / validity.clamp_min(1e-6), frame), validity
