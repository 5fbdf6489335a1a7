"""Second frames made from single pictures, with their motion known exactly.

Wang et al., "Consistent Video Style Transfer via Compound Regularization", 2020, train on such
motion instead of on videos with estimated flow. Here a turn, a zoom, a change of light and the
noise of a camera come on top.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nst.core.color import luminance
from nst.motion.warp import flow_validity, inside, warp

GRID = 5  # points a side of the smooth random field
SHIFT, ZOOM, DEGREES = 0.04, 0.04, 2.0  # maximum, as fractions of the picture's side
FIELD, LIGHT, NOISE = 0.008, 0.03, 2 / 255  # standard deviations
STILL = 0.2  # fraction of the samples without motion: only the noise changes, nothing may boil


@dataclass(frozen=True)
class SecondFrame:
    """What follows a batch of images.

    Args:
        image: (N, 3, H, W).
        flow: (N, 2, H, W), backward: from here to the first images.
        validity: (N, 1, H, W), 1 where that stays inside them.
        light: (N, 1, H, W), how much lighter it became there.
    """

    image: Tensor
    flow: Tensor
    validity: Tensor
    light: Tensor


def second_frame(images: Tensor, seed: tuple[int, ...], places: range) -> SecondFrame:
    """Move a batch of images by chance.

    Args:
        images: (N, 3, H, W).
        seed: of the step; each place of the batch has random numbers of its own.
        places: N numbers.
    """
    height, width = images.shape[-2:]
    randoms = [np.random.default_rng((*seed, place)) for place in places]
    fields = np.stack([_coarse_field(random) for random in randoms])
    noise = np.stack([r.normal(0, NOISE, (3, height, width)) for r in randoms])
    field = torch.from_numpy(fields.astype(np.float32)).to(images.device)
    field = F.interpolate(field, size=(height, width), mode="bicubic", align_corners=True)
    flow = field[:, :2] * torch.tensor([width, height]).to(field).view(1, 2, 1, 1)
    light = field[:, 2:]
    moved = warp(images, flow) + light
    moved = moved + torch.from_numpy(noise.astype(np.float32)).to(images.device)
    return SecondFrame(moved.clamp(0, 1), flow, inside(flow), light)


def _coarse_field(random: np.random.Generator) -> np.ndarray:
    """Return (3, GRID, GRID): flow, as fractions of the side, x then y, and change of light."""
    line = np.linspace(-0.5, 0.5, GRID)
    x, y = np.meshgrid(line, line)
    angle, zoom = np.radians(random.uniform(-DEGREES, DEGREES)), random.uniform(-ZOOM, ZOOM)
    shift = random.uniform(-SHIFT, SHIFT, (2, 1, 1))
    camera = shift + np.stack([zoom * x - angle * y, angle * x + zoom * y])
    flow = camera + random.normal(0, FIELD, (2, GRID, GRID))
    light = random.normal(0, LIGHT) + random.normal(0, LIGHT / 2, (1, GRID, GRID))
    moves = random.random() >= STILL
    return moves * np.concatenate([flow, light])


def true_second_frame(images: Tensor, after: Tensor, made_up: SecondFrame) -> SecondFrame:
    """Return `made_up`, but for the samples of videos the frame that does follow.

    Their motion is estimated by DIS, and what is lighter or darker along it is the change of light.

    Args:
        images, after: (N, 3, H, W); where both are the same nothing is known to follow.
    """
    real = [i for i in range(len(images)) if not torch.equal(images[i], after[i])]
    if not real:
        return made_up
    from nst.motion.flow import FlowEstimator  # late: training on photos needs no OpenCV

    flow = FlowEstimator("dis", max(images.shape[-2:]))
    parts = [getattr(made_up, part.name).clone() for part in fields(SecondFrame)]
    for i in real:
        before, now = images[i : i + 1], after[i : i + 1]
        found = flow.both_ways(flow.prepare(now), flow.prepare(before))
        backward, forward = (x.to(images.device) for x in found)
        light = luminance(now) - warp(luminance(before), backward)
        values = (now, backward, flow_validity(backward, forward), light)
        for part, value in zip(parts, values, strict=True):
            part[i] = value[0]
    return SecondFrame(*parts)
