"""Holding a stylized video still where the video itself is still, or only moves.

After Ruder et al., "Artistic Style Transfer for Videos", 2016: the previous result, carried along
the motion, is mixed in where the motion can be trusted.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nst.core.tensors import blur, stretch
from nst.motion.flow import FlowEstimator
from nst.motion.warp import flow_validity, resize_flow, sharp_warp, warp

# With less of the frame than this to be found in the last one, it is another shot.
LEAST_SHARE = 0.15
# See `motion_between`: light that changes is doubted soon, or its old looks would stay.
DIFFERENCE = 12 / 255
# How much a mixed picture's fine detail is made weaker or stronger, at most.
GAIN = (0.9, 1.6)


@dataclass(frozen=True)
class Motion:
    """How a frame follows from the one before it.

    Args:
        flow: (1, 2, h, w), backward: where each pixel was. At the flow's working size.
        validity: (1, 1, h, w), 1 where that can be trusted.
    """

    flow: Tensor
    validity: Tensor

    def trusted(self, size: tuple[int, int]) -> Tensor:
        """Return the validity (1, 1, *size)."""
        return stretch(self.validity, size)

    def carry(self, before: Tensor) -> Tensor:
        """Return what was (N, C, H, W) with the last frame, as it lies in this one."""
        flow = resize_flow(self.flow.to(before.device), before.shape[-2:])
        return warp(before, flow.expand(len(before), -1, -1, -1))

    def mix(self, now: Tensor, before: Tensor, share: float) -> Tensor:
        """Return a painted picture with `share` of the last one, where that can be trusted.

        Resampling blurs, and so does the mean of strokes that differ. What is mixed is sharpened by
        as much as it lost; otherwise the blur would grow from frame to frame.

        Args:
            now, before: (1, 3, H, W).
        """
        size, layout = tuple(now.shape[-2:]), {"memory_format": torch.channels_last}
        # One share for each channel, laid out as the picture is: broadcasting is slow on a CPU.
        share = (share * self.trusted(size).to(now.device)).expand_as(now)
        now, share = now.contiguous(**layout), share.contiguous(**layout)
        carried = sharp_warp(before, resize_flow(self.flow.to(now.device), size))
        mixed = carried.sub_(now).mul_(share).add_(now)
        lost = (_roughness(now, share) / _roughness(mixed, share).clamp_min(1e-6)).sqrt()
        detail = (mixed - blur(mixed)).mul_(share).mul_(lost.clamp(*GAIN) - 1)
        return detail.add_(mixed).clamp_(0, 1)


def _roughness(image: Tensor, share: Tensor) -> Tensor:
    """Return the energy of differences between neighbours, by their share; few rows tell it."""
    rows, weights = image[..., ::4, :], share[..., ::4, 1:]
    return ((rows[..., 1:] - rows[..., :-1]).square() * weights).sum()


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


class MotionMean:
    """The running mean of a video's painted pictures, taken along the motion.

    Args:
        share: of the mean so far where the motion is fully trusted, 0 to 1.
    """

    def __init__(self, share: float):
        self.share = share
        self._mean: Tensor | None = None

    def update(self, now: Tensor, motion: Motion | None) -> Tensor:
        """Return the mean with `now` (1, C, H, W) in it; without motion it begins anew."""
        if motion is not None:
            now = motion.mix(now, self._mean, self.share)
        self._mean = now
        return now


def motion_between(
    flow: FlowEstimator, now: Tensor, before: Tensor, difference: float
) -> Motion | None:
    """Return how a frame follows from another; None when they are of two shots.

    Args:
        now, before: as `FlowEstimator.prepare` gives them.
        difference: what follows the motion but looks different by this much is half trusted, in
            shares of white.
    """
    backward, forward = flow.both_ways(now, before)
    validity = flow_validity(backward, forward) * _alike(now, before, backward, difference)
    return Motion(backward, validity) if validity.mean() >= LEAST_SHARE else None


def _alike(now: Tensor, before: Tensor, backward: Tensor, difference: float) -> Tensor:
    """Return a mask (1, 1, h, w), 1 where the last frame looks like this one along the motion.

    Light that changes, shadows and reflections move otherwise than the flow says.
    """
    gap = (now - warp(before, backward)).abs().mean(1, keepdim=True)
    return torch.exp2(-(blur(gap, 5) / difference).square())
