"""Faces as a region: soft ellipses over the boxes that a face finder gives."""

from collections.abc import Sequence
from math import cos, sin

import torch
from torch import Tensor

from nst.models.blazeface import Face

# A box reaches from brow to chin. The ellipse takes in the forehead: its half axes and how far its
# middle lies above the box's, in sizes of the box; and the part of its radius that it fades over.
HALF_WIDTH, HALF_HEIGHT, RAISED, SOFT = 0.62, 0.8, 0.12, 0.3


def face_mask(faces: Sequence[Face], size: tuple[int, int]) -> Tensor:
    """Return the mask (1, 1, *size) of faces: 1 within, 0 outside, 0.5 on each one's ellipse."""
    height, width = size
    y = ((torch.arange(height) + 0.5) / height)[:, None]
    x = ((torch.arange(width) + 0.5) / width)[None, :]
    mask = torch.zeros(size)
    for face in faces:
        # In pixels, so that the tilt is an angle.
        across, down = (x - face.x) * width, (y - face.y) * height
        c, s = cos(face.tilt), sin(face.tilt)
        right, below = c * across + s * down, c * down - s * across
        box_width, box_height = face.width * width, face.height * height
        u = right / (HALF_WIDTH * box_width)
        v = (below + RAISED * box_height) / (HALF_HEIGHT * box_height)
        inside = ((1 - (u * u + v * v).sqrt()) / SOFT + 0.5).clamp(0, 1)
        mask = torch.maximum(mask, inside * inside * (3 - 2 * inside))
    return mask[None, None]
