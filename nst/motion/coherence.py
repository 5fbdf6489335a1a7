"""Holding a stylized video still where the video itself is still, or only moves.

After Ruder et al., "Artistic Style Transfer for Videos", 2016: the previous result, carried along
the motion, is mixed in where the motion can be trusted.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import torch
from torch import Tensor

from nst.core.tensors import blur, size_of, stretch
from nst.motion.flow import FlowEstimator
from nst.motion.warp import flow_validity, quick_warp, resize_flow, sharp_warp

# With a smaller fraction of the frame than this to be found in the last one, it is another shot.
MINIMUM_FOUND = 0.15
# See `motion_between`: light that changes is doubted soon, or the old light would stay.
DIFFERENCE = 12 / 255
# How much a mixed picture's fine detail is made weaker or stronger, at most.
GAIN = (0.9, 1.6)
# An anchor's largest age, in frames, and its weight as a part of the previous result's.
ANCHOR_FRAMES, ANCHOR_WEIGHT = 10, 0.5


@dataclass(frozen=True)
class Motion:
    """How a frame follows from the one before it.

    Args:
        flow: (1, 2, h, w), backward: where each pixel was. At the flow's working size.
        validity: (1, 1, h, w), 1 where that can be trusted.
    """

    flow: Tensor
    validity: Tensor

    def to(self, device: torch.device) -> "Motion":
        """Return it on a device; nothing waits for what goes there."""
        flow, validity = (x.to(device, non_blocking=True) for x in (self.flow, self.validity))
        return Motion(flow, validity)

    def trusted(self, size: tuple[int, int]) -> Tensor:
        """Return the validity (1, 1, *size)."""
        return stretch(self.validity, size)

    def warp(self, before: Tensor) -> Tensor:
        """Return what was (N, C, H, W) with the last frame, as it lies in this one."""
        flow = resize_flow(self.flow.to(before.device), size_of(before))
        return quick_warp(before, flow.expand(len(before), -1, -1, -1))

    def after(self, earlier: "Motion") -> "Motion":
        """Return the motion over both: from the frame that `earlier` began with to this one."""
        flow = self.flow + quick_warp(earlier.flow, self.flow)
        return Motion(flow, self.validity * quick_warp(earlier.validity, self.flow))


class MotionTracker:
    """Follows a video frame by frame."""

    def __init__(self, flow: FlowEstimator):
        self.flow = flow
        self._before: Tensor | None = None

    def follow(self, frame: Tensor) -> Motion | None:
        """Return the motion from the last frame to this one; None when a shot begins.

        Args:
            frame: (1, 3, H, W).
        """
        now, before = self.flow.prepare(frame), self._before
        self._before = now
        if before is None or before.shape != now.shape:
            return None
        return motion_between(self.flow, now, before, DIFFERENCE)


class VideoMemory:
    """What earlier results give to a video's new ones.

    Two of them are mixed into each: the previous one, against flicker, and one that is up to
    `ANCHOR_FRAMES` old, against slow change, which the previous one takes over bit by bit.

    Args:
        weight: of the previous result where the motion is fully trusted, 0 to 1.
    """

    def __init__(self, weight: float):
        self.weight = weight
        self._previous: Tensor | None = None
        self._anchor: Tensor | None = None
        self._since_anchor: Motion | None = None
        self._anchor_age = 0

    def update(self, now: Tensor, motion: Motion | None) -> Tensor:
        """Return the next result: `now` (1, 3, H, W), as painted alone, with earlier ones in it.

        Args:
            motion: from the last frame; None begins anew.
        """
        if motion is None or self._previous is None or self._previous.shape != now.shape:
            self._begin(now)
            return now
        earlier = self._since_anchor
        self._since_anchor = motion if earlier is None else motion.after(earlier)
        self._anchor_age += 1
        kept = (
            (self._previous, motion, self.weight),
            (self._anchor, self._since_anchor, ANCHOR_WEIGHT * self.weight),
        )
        result = _mix(now, kept, motion.validity)
        self._previous = result
        if self._anchor_age == ANCHOR_FRAMES:
            self._begin(result)
        return result

    def _begin(self, result: Tensor) -> None:
        self._previous = self._anchor = result
        self._since_anchor, self._anchor_age = None, 0


def _mix(now: Tensor, kept: Iterable[tuple[Tensor, Motion, float]], validity: Tensor) -> Tensor:
    """Return a painted picture (1, 3, H, W) with earlier ones mixed in where they can be trusted.

    Resampling blurs, and so does the mean of strokes that differ. What is mixed is sharpened by
    as much as it lost; otherwise the blur would grow from frame to frame.

    Args:
        kept: earlier pictures with the motion since then and their weight.
        validity: (1, 1, h, w), where to sharpen.
    """
    size, device = size_of(now), now.device
    mixed = now = now.contiguous(memory_format=torch.channels_last)
    for picture, motion, weight in kept:
        carried = sharp_warp(picture, resize_flow(motion.flow.to(device), size))
        mixed = _blend(mixed, carried, stretch(weight * motion.validity.to(device), size))
    trusted = stretch(validity.to(device), size)
    lost = (_roughness(now, trusted) / _roughness(mixed, trusted).clamp_min(1e-6)).sqrt()
    sharpened = torch.lerp(blur(mixed), mixed, lost.clamp(*GAIN))
    return _blend(mixed, sharpened, trusted).clamp_(0, 1)


def _blend(one: Tensor, other: Tensor, weight: Tensor) -> Tensor:
    """Return the mean of two images (1, 3, H, W), the other's weight a mask (1, 1, H, W)."""
    if one.device.type != "cpu":
        return torch.lerp(one, other, weight)
    first, second = (image[0].permute(1, 2, 0).numpy() for image in (one, other))
    weights = weight[0, 0].numpy()
    blended = cv2.blendLinear(first, second, 1 - weights, weights)
    return torch.from_numpy(blended).permute(2, 0, 1)[None]


def _roughness(image: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted energy of differences between neighbors; every fourth row tells it."""
    rows, weights = image[..., ::4, :], weights[..., ::4, 1:]
    return ((rows[..., 1:] - rows[..., :-1]).square() * weights).sum()


def motion_between(
    flow: FlowEstimator, now: Tensor, before: Tensor, difference: float
) -> Motion | None:
    """Return how a frame follows from another; None when they are of two shots.

    Args:
        now, before: as `FlowEstimator.prepare` gives them.
        difference: what follows the motion but looks different by this much is half trusted, in
            fractions of white.
    """
    backward, forward = flow.both_ways(now, before)
    validity = flow_validity(backward, forward) * alike(now, before, backward, difference)
    return Motion(backward, validity) if validity.mean() >= MINIMUM_FOUND else None


def alike(now: Tensor, before: Tensor, backward: Tensor, difference: float) -> Tensor:
    """Return a mask (1, 1, h, w), 1 where the last frame looks like this one along the motion.

    Light that changes, shadows and reflections move otherwise than the flow says.
    """
    gap = (now - quick_warp(before, backward)).abs().mean(1, keepdim=True)
    return torch.exp2(-(blur(gap, 5) / difference).square())
