"""Holding a stylized video still where the video itself is still, or only moves.

After Ruder et al., "Artistic Style Transfer for Videos", 2016: the previous result, carried along
the motion, is mixed in where the motion can be trusted.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nst.flow import FlowEstimator
from nst.tensors import blur
from nst.warp import flow_validity, resize_flow, sharp_warp, warp

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

    def trusted(self, like: Tensor) -> Tensor:
        """Return the validity at the size and on the device of `like`, (1, 1, H, W)."""
        validity = self.validity.to(like.device)
        return F.interpolate(validity, size=like.shape[-2:], mode="bilinear")

    def flow_for(self, like: Tensor) -> Tensor:
        """Return the flow at the size and on the device of `like`, (1, 2, H, W)."""
        return resize_flow(self.flow.to(like.device), like.shape[-2:])

    def mix(self, now: Tensor, before: Tensor, share: float) -> Tensor:
        """Return `now` with `share` of `before`, carried along, where it can be trusted.

        Args:
            now, before: (1, C, H, W), of any one size.
        """
        return torch.lerp(now, warp(before, self.flow_for(now)), share * self.trusted(now))

    def mix_pictures(self, now: Tensor, before: Tensor, share: float) -> Tensor:
        """Do as `mix` for a painted picture, whose strokes stay as sharp as they are in `now`.

        Resampling, and the mean of strokes that differ, blur; so what is mixed is sharpened by as
        much as it lost. Otherwise the blur would grow from frame to frame.
        """
        # One share for each channel, laid out as the picture is: broadcasting is slow on a CPU.
        share = (share * self.trusted(now)).expand_as(now)
        now, share = (x.contiguous(memory_format=torch.channels_last) for x in (now, share))
        mixed = torch.lerp(now, sharp_warp(before, self.flow_for(now)), share)
        lost = (_roughness(now, share) / _roughness(mixed, share).clamp_min(1e-6)).sqrt()
        gain = lost.clamp(1 / 1.1, 1.6) - 1
        return torch.addcmul(mixed, share * gain, mixed - blur(mixed)).clamp_(0, 1)


def _roughness(image: Tensor, share: Tensor) -> Tensor:
    """Return the energy of the differences between neighbours, where `share` is; a fourth of all
    rows tell it."""
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
        backward, forward = self.flow.both_ways(now, before)
        validity = flow_validity(backward, forward) * _alike(now, before, backward)
        return Motion(backward, validity) if validity.mean() >= LEAST_SHARE else None


class MotionMean:
    """The running mean of a video's pictures or masks, taken along the motion.

    Args:
        share: of the mean so far where the motion is fully trusted, 0 to 1.
        pictures: keep their strokes sharp.
    """

    def __init__(self, share: float, pictures: bool = False):
        self.share, self.pictures = share, pictures
        self._mean: Tensor | None = None

    def update(self, now: Tensor, motion: Motion | None) -> Tensor:
        """Return the mean with `now` (1, C, H, W) in it; without motion it begins anew."""
        if motion is not None:
            mix = motion.mix_pictures if self.pictures else motion.mix
            now = mix(now, self._mean, self.share)
        self._mean = now
        return now


def _alike(now: Tensor, before: Tensor, backward: Tensor) -> Tensor:
    """Return a mask (1, 1, h, w), 1 where the last frame looks like this one along the motion.

    Light that changes, shadows and reflections move otherwise than the flow says.
    """
    gap = (now - warp(before, backward)).abs().mean(1, keepdim=True)
    gap = F.avg_pool2d(gap, 5, 1, 2, count_include_pad=False)
    return torch.exp2(-(gap / DIFFERENCE).square())
