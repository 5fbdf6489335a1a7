"""Holding a stylized video still where the video itself is still, or only moves.

After Ruder et al., "Artistic Style Transfer for Videos", 2016: the previous result, carried along
the motion, is mixed in where the motion can be trusted.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from nst.flow import FlowEstimator
from nst.warp import flow_validity, resize_flow, warp

# With less of the frame than this to be found in the last one, it is another shot.
LEAST_SHARE = 0.15
# What follows the motion but looks different by this much is half trusted, in levels of lightness.
DIFFERENCE = 12.0


class Memory:
    """What a video's last frame leaves for the next: how it looked and what it became.

    Args:
        flow: estimates the motion.
        blend: share of the previous result where it is fully trusted, 0 to 1.
    """

    def __init__(self, flow: FlowEstimator, blend: float):
        self.flow, self.blend = flow, blend
        self._seen: Tensor | None = None
        self._result: Tensor | None = None

    def steady(self, content: Tensor, painted: Tensor) -> Tensor:
        """Return `painted` with the previous result mixed in, and remember it.

        Args:
            content: (1, 3, H, W), the frame.
            painted: (1, 3, H, W), what the net made of it.
        """
        seen, before = self.flow.prepare(content), self._seen
        if before is not None and before.shape == seen.shape:
            backward = self.flow.estimate(seen, before)
            validity = flow_validity(backward, self.flow.estimate(before, seen))
            validity = validity * _alike(seen, before, backward)
            if validity.mean() >= LEAST_SHARE:
                size = painted.shape[-2:]
                backward = resize_flow(backward.to(painted.device), size)
                share = F.interpolate(validity.to(painted.device), size=size, mode="bilinear")
                painted = torch.lerp(painted, warp(self._result, backward), self.blend * share)
        self._seen, self._result = seen, painted
        return painted


def _alike(seen, before, backward: Tensor) -> Tensor:
    """Return a mask (1, 1, h, w), 1 where the last frame looks like this one along the motion.

    Light that changes, shadows and reflections move otherwise than the flow says.
    """
    now, then = (torch.from_numpy(levels)[None, None].float() for levels in (seen, before))
    gap = F.avg_pool2d((now - warp(then, backward)).abs(), 5, 1, 2, count_include_pad=False)
    return torch.exp2(-(gap / DIFFERENCE).square())
