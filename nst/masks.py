"""Soft masks of K regions, (1, K, h, w) with sum 1 over K: drawn to a picture's edges, faded."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nst.tensors import luminance

# Of the guided filter: its window reaches so far, in shares of the longer side, and edges of the
# picture count from about this contrast (a standard deviation of lightness) on.
REACH = 0.02
CONTRAST = 0.03
# An island of less than this share of the picture is taken for a mistake.
LEAST_ISLAND = 0.002
# Probabilities are raised to this power: a pixel belongs to one region unless that is in doubt.
DECISION = 4


def guided_filter(masks: Tensor, small: Tensor, image: Tensor) -> Tensor:
    """Draw coarse masks to the edges of a picture and bring them to its size.

    In each small window a mask is written as a line over the picture's lightness, a x + b, and the
    lines are applied to the full picture. He et al., "Guided Image Filtering", 2010; that a and b
    are found at a small size is their "Fast Guided Filter", 2015.

    Args:
        masks: (1, K, h, w).
        small: (1, 1, h, w), the picture's lightness at the masks' size.
        image: (1, 1, H, W), its lightness.

    Returns:
        (1, K, H, W), in [0, 1], sum 1 over K as the masks have it.
    """
    radius = max(1, round(REACH * max(masks.shape[-2:])))
    count = masks.shape[1]
    means = box(torch.cat([small, small * small, masks, small * masks], 1), radius)
    x, xx, y, xy = means.split([1, 1, count, count], dim=1)
    a = (xy - x * y) / (xx - x * x + CONTRAST**2)
    lines = box(torch.cat([a, y - a * x], 1), radius)
    lines = F.interpolate(lines, size=image.shape[-2:], mode="bilinear", align_corners=False)
    a, b = lines.split(count, dim=1)
    return normalised(torch.addcmul(b, a, image).clamp_(0, 1))


def box(maps: Tensor, radius: int) -> Tensor:
    """Return the mean of the (2 radius + 1)^2 pixels around each, edges repeated.

    Args:
        maps: (1, C, h, w).
    """
    if not radius:
        return maps
    side = 2 * radius + 1
    levels = np.ascontiguousarray(maps[0].permute(1, 2, 0).numpy())
    means = cv2.blur(levels, (side, side), borderType=cv2.BORDER_REPLICATE)
    return torch.from_numpy(means.reshape(levels.shape)).permute(2, 0, 1)[None]


def normalised(masks: Tensor) -> Tensor:
    """Scale masks to sum to 1."""
    return masks / masks.sum(1, keepdim=True).clamp(min=1e-6)


def decided(masks: Tensor) -> Tensor:
    """Push probabilities towards 0 and 1, their order kept."""
    return normalised(masks**DECISION)


def feathered(masks: Tensor, width: float) -> Tensor:
    """Let regions fade into each other over `width` pixels to either side of an edge."""
    # Two boxes make a smooth ramp that reaches as far as both.
    radius = round(width / 2)
    return box(box(masks, radius), radius)


def without_islands(masks: Tensor) -> Tensor:
    """Give what is too small to be meant to the next most likely region there."""
    height, width = masks.shape[-2:]
    least = LEAST_ISLAND * height * width
    label = masks[0].argmax(0).numpy()
    allowed = torch.ones_like(masks)
    for k in range(masks.shape[1]):
        region = (label == k).astype(np.uint8)
        count, parts, stats, _ = cv2.connectedComponentsWithStats(region, connectivity=8)
        small = stats[:, cv2.CC_STAT_AREA] < least
        small[0] = False  # that is what lies outside the region
        if small.any():
            allowed[0, k][torch.from_numpy(small[parts])] = 0
    return normalised(masks * allowed + 1e-6)


def lightness_of(image: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the lightness of an image at a mask's size and at its own, on the CPU."""
    light = luminance(image).cpu()
    small = F.interpolate(light, size=size, mode="bilinear", antialias=True)
    return small, light
