"""Flow over many frames: from each frame of a shot to one frame that may be far away.

The flows from frame to frame are added up, and the sum is where the search of DIS between the two
distant frames begins. The sum alone would drift; the search alone would not find so far a place.
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from nst.motion.coherence import DIFFERENCE, Motion, alike
from nst.motion.flow import FlowEstimator
from nst.motion.warp import flow_validity, quick_warp

# With a smaller part of the frame than this to be found again, nothing is, and the search ends.
MINIMUM_REACHED = 0.02


def follow_away(key: Tensor, frames: Iterable[Tensor], flow: FlowEstimator) -> Iterator[Motion]:
    """Yield for each frame the motion that leads back to a key frame, while any of it is seen.

    Args:
        key: the key frame, as `FlowEstimator.prepare` gives it for DIS, (1, 1, h, w).
        frames: its neighbors on one side, the nearest first, prepared alike.
        flow: of the method dis.
    """
    before = key
    there = back = torch.zeros(1, 2, *key.shape[-2:])
    for now in frames:
        step_there, step_back = flow.both_ways(now, before)
        there = step_there + quick_warp(there, step_there)
        back = back + quick_warp(step_back, back)
        there, back = flow.refine(now, key, there), flow.refine(key, now, back)
        validity = flow_validity(there, back) * alike(now, key, there, DIFFERENCE)
        if validity.mean() < MINIMUM_REACHED:
            return
        yield Motion(there, validity)
        before = now
