"""Holding a stylized video still where the video itself is still, or only moves.

After Ruder et al., "Artistic Style Transfer for Videos", 2016: the previous result, carried along
the motion, is mixed in where the motion can be trusted.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nst.flow import FlowEstimator
from nst.warp import flow_validity, resize_flow, warp

# With less of the frame than this to be found in the last one, it is another shot.
LEAST_SHARE = 0.15
# What follows the motion but looks different by this much is half trusted, in shares of white.
DIFFERENCE = 12 / 255


@dataclass(frozen=True)
class Motion:
    """How a frame follows from the one before it.

    Args:
        flow: (1, 2, h, w), backward: where each pixel was. At the flow's working size.
        validity: (1, 1, h, w), 1 where that can be trusted.
    """

    flow: Tensor
    validity: Tensor

    def mix(self, now: Tensor, before: Tensor, share: float) -> Tensor:
        """Return `now` with `share` of `before`, carried along, where it can be trusted.

        Args:
            now, before: (1, C, H, W), of any one size.
        """
        share = share * self.trusted(now.shape[-2:]).to(now.device)
        return torch.lerp(now, self.carry(before), share)

    def carry(self, before: Tensor) -> Tensor:
        """Return what was (N, C, H, W) with the last frame, as it lies in this one."""
        flow = resize_flow(self.flow.to(before.device), before.shape[-2:])
        return warp(before, flow.expand(len(before), -1, -1, -1))

    def trusted(self, size: tuple[int, int]) -> Tensor:
        """Return the validity (1, 1, *size)."""
        return F.interpolate(self.validity, size=size, mode="bilinear")


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
        backward, forward = self.flow.both_ways(now, before)
        validity = flow_validity(backward, forward) * _alike(now, before, backward)
        return Motion(backward, validity) if validity.mean() >= LEAST_SHARE else None


class MotionMean:
    """The running mean of anything shaped like a picture, taken along the motion.

    Args:
        share: of the mean so far where the motion is fully trusted, 0 to 1.
    """

    def __init__(self, share: float):
        self.share = share
        self._mean: Tensor | None = None

    def update(self, now: Tensor, motion: Motion | None) -> Tensor:
        """Return the mean with `now` (1, C, H, W) in it; without motion it begins anew."""
        self._mean = now if motion is None else motion.mix(now, self._mean, self.share)
        return self._mean


def _alike(now: Tensor, before: Tensor, backward: Tensor) -> Tensor:
    """Return a mask (1, 1, h, w), 1 where the last frame looks like this one along the motion.

    Light that changes, shadows and reflections move otherwise than the flow says.
    """
    gap = (now - warp(before, backward)).abs().mean(1, keepdim=True)
    gap = F.avg_pool2d(gap, 5, 1, 2, count_include_pad=False)
    return torch.exp2(-(gap / DIFFERENCE).square())
