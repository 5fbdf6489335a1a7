"""What finished frames say of a frame: their results, carried along the motion."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nst.motion.coherence import motion_between
from nst.motion.flow import FlowEstimator

# See `motion_between`: a ball that the flow has lost is doubted, a shadow is not.
DIFFERENCE = 40 / 255


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
    size, now = tuple(frame.shape[-2:]), flow.prepare(frame)
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


def hold_colors(result: Tensor, reference: Tensor) -> Tensor:
    """Give a result the mean and the spread, channel by channel, of its shot's first one.

    What each frame takes over from the last is corrected so; small errors of warping and of a few
    steps do not add up to another palette.
    """
    mean, spread = _mean_and_spread(result)
    wanted_mean, wanted_spread = _mean_and_spread(reference)
    gain = (wanted_spread / spread.clamp_min(1e-4)).clamp(0.8, 1.25)
    return ((result - mean) * gain + wanted_mean).clamp(0, 1)


def _mean_and_spread(image: Tensor) -> tuple[Tensor, Tensor]:
    return image.mean((2, 3), keepdim=True), image.std((2, 3), correction=0, keepdim=True)
