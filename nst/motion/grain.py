"""Grain: a little noise in a net's input, which gives flat areas strokes, and its motion.

Nets trained with it paint strokes where a photo shows nothing. In a video the grain follows the
motion, as otherwise those strokes would boil. It is never resampled twice, which would make it
fade: what follows the motion is where on an endless sheet of grain each pixel takes it from (the
texture coordinates of Max and Becker, "Flow Visualization Using Moving Textures", 1995, and of
Neyret, "Advected Textures", 2003).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from nst.core.tensors import size_of
from nst.motion.warp import flow_ends, inside, remap, resize_flow

# Pixels from one number to the next of the three noises that are added, and what divides the sum.
CELLS, DIVISOR = (4, 8, 16), 1.7
# Grain is renewed, patch by patch, when its area has grown or shrunk by factors between these.
STRETCHED = (1.5, 3.0)
# Ground with less validity than this has just been uncovered.
UNCOVERED = 0.5


def grain(size: tuple[int, int], seed: int = 0) -> Tensor:
    """Return grain (1, 3, H, W) for a picture: of mean 0, its standard deviation about 0.7.

    The same numbers whatever the device that they are for.
    """
    return _sheet(size, seed)[..., : size[0], : size[1]]


def _sheet(size: tuple[int, int], seed: int) -> Tensor:
    """Return grain that is periodic, its sides (the periods) the next multiples of 16.

    Channels last. Each noise is linear between the centers of its cells, and these are all on even
    coordinates: the noises are added there, at a quarter of the pixels, and interpolated once.
    """
    generator = torch.Generator().manual_seed(seed)
    rows, columns = (-(-side // max(CELLS)) for side in size)
    height, width = rows * max(CELLS) // 2 + 1, columns * max(CELLS) // 2 + 1
    total = torch.zeros(1, 3, height, width)
    for cell in CELLS:
        count = max(CELLS) // cell
        noise = torch.randn(1, 3, rows * count, columns * count, generator=generator)
        noise = F.pad(noise, (1, 1, 1, 1), mode="circular")
        steps = [(side - 1) * cell // 2 + 1 for side in size_of(noise)]
        values = F.interpolate(noise, size=steps, mode="bilinear", align_corners=True)
        begin = cell // 4  # half a cell lies beyond the sheet's edge
        total += values[..., begin : begin + height, begin : begin + width]
    total = (total / DIVISOR).contiguous(memory_format=torch.channels_last)
    fine = F.interpolate(total, scale_factor=2, mode="bilinear", align_corners=False)
    return fine[..., 1:-1, 1:-1]


class MovingGrain:
    """Grain for a video, frame by frame.

    Args:
        size: of the frames.
        device: the flow's and the result's.
        amplitude: what `grain` is multiplied by.
    """

    def __init__(
        self,
        size: tuple[int, int],
        device: torch.device | str = "cpu",
        amplitude: float = 1.0,
    ):
        self.size = size
        sheet = amplitude * _sheet(size, seed=0)
        self._sheet = sheet.contiguous(memory_format=torch.channels_last).to(device)
        # From each pixel to its place on the sheet (1, 2, h, w), as a flow is.
        self._offset: Tensor | None = None
        self._growth: Tensor
        self._largest_growth: Tensor
        self._drift: Tensor

    def follow(self, flow: Tensor | None, validity: Tensor | None = None) -> Tensor:
        """Return the grain (1, 3, H, W) of the next frame.

        Args:
            flow: (1, 2, h, w), backward, at any size; None begins anew.
            validity: (1, 1, h, w); None trusts the flow everywhere.
        """
        if flow is None:
            self._offset = None
            return self._sheet[..., : self.size[0], : self.size[1]]
        if self._offset is None or self._offset.shape != flow.shape:
            self._begin(flow)
        # Beyond the frame's edge the sheet goes on.
        moved = remap(torch.cat([self._offset, self._growth], 1), flow_ends(flow))
        offset, growth = moved[:, :2] + flow, moved[:, 2:] - _divergence(flow)
        renewed = growth.abs() > self._largest_growth
        if validity is not None:
            renewed |= (validity < UNCOVERED) & (inside(flow) > 0)
        # New grain is taken from where the sheet has got to by the motion of most of the frame.
        self._drift = self._drift + flow[..., ::4, ::4].flatten(2).median(2).values[..., None, None]
        self._offset = torch.where(renewed, self._drift, offset)
        self._growth = growth.masked_fill(renewed, 0)
        self._stay_near()
        places = flow_ends(resize_flow(self._offset, self.size))
        return remap(self._sheet, places, periodic=True)

    def _stay_near(self) -> None:
        """Go back by whole periods of the sheet, which changes nothing, after a long way."""
        sides = zip(self._sheet.shape[-2:], self.size, self._offset.shape[-2:], strict=True)
        height, width = (period * small / large for period, large, small in sides)
        period = self._drift.new_tensor([width, height]).view(1, 2, 1, 1)
        back = (self._drift / period).round() * period
        self._offset, self._drift = self._offset - back, self._drift - back

    def _begin(self, flow: Tensor) -> None:
        self._offset = torch.zeros_like(flow)
        self._drift = flow.new_zeros(1, 2, 1, 1)
        # The logarithm of how much larger the grain's area has become, and its bound for each
        # pixel: a zoom then renews small patches, one here and one there.
        self._growth = torch.zeros_like(flow[:, :1])
        chance = torch.special.ndtr(grain(size_of(flow))[:, :1] / 0.7).to(flow)
        low, high = (math.log(factor) for factor in STRETCHED)
        self._largest_growth = low + (high - low) * chance


def _divergence(flow: Tensor) -> Tensor:
    """Return by how much flow spreads (N, 1, h, w)."""
    padded = F.pad(flow, (1, 1, 1, 1), mode="replicate")
    across = padded[:, :1, 1:-1, 2:] - padded[:, :1, 1:-1, :-2]
    down = padded[:, 1:, 2:, 1:-1] - padded[:, 1:, :-2, 1:-1]
    return (across + down) / 2
