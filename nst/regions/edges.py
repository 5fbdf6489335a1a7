"""Soft masks of K regions, (1, K, h, w) with sum 1 over K: drawn to a picture's edges, faded."""

import cv2
import numpy as np
import torch
from torch import Tensor

from nst.core.color import luminance
from nst.core.tensors import size_of, stretch

# The guided filter's radius, as a fraction of the longer side, and the contrast (a standard
# deviation of a color) from which on it keeps an edge.
REACH = 0.03
CONTRAST = 0.02
# An island that covers a smaller fraction of the picture is taken for a mistake.
MIN_ISLAND = 0.002


def guided_filter(masks: Tensor, small: Tensor, image: Tensor) -> Tensor:
    """Upsample coarse masks to a picture's size, along its edges.

    In each small window a mask is written as a linear function of the picture's colors, a . x + b,
    and these functions are applied to the full picture. He et al., "Guided Image Filtering", 2010,
    equations 19 to 21; that a and b are found at a small size is their "Fast Guided Filter", 2015.

    Args:
        masks: (1, K, h, w).
        small: (1, 3, h, w), the picture at the masks' size.
        image: (1, 3, H, W).

    Returns:
        (1, K, H, W), in [0, 1], sum 1 over K.
    """
    # The last mask is 1 minus the sum of the others.
    masks, x = masks[0, :-1], small[0]
    if not len(masks):
        return image.new_ones(1, 1, *image.shape[-2:])
    radius = max(1, round(REACH * max(x.shape[-2:])))
    count, size = len(masks), x.shape[-2:]
    pairs = torch.cat([x[:1] * x, x[1:2] * x[1:], x[2:] * x[2:]])
    products = masks[:, None] * x
    means = box(torch.cat([x, masks, pairs, products.flatten(0, 1)]), radius)
    x, masks, pairs, products = means.split([3, count, 6, 3 * count])
    pairs -= torch.cat([x[:1] * x, x[1:2] * x[1:], x[2:] * x[2:]])
    covariance = products.view(count, 3, *size) - masks[:, None] * x
    a = _solve(pairs, covariance)
    lines = box(torch.cat([a.flatten(0, 1), masks - (a * x).sum(1)]), radius)
    lines, image = stretch(lines[None], size_of(image)), image.contiguous()
    drawn = lines[:, 3 * count :]
    for channel in range(3):
        drawn = drawn.addcmul(lines[:, channel : 3 * count : 3], image[:, channel : channel + 1])
    drawn = drawn.clamp_(0, 1)
    return normalized(torch.cat([drawn, (1 - drawn.sum(1, keepdim=True)).clamp_(min=0)], 1))


def _solve(pairs: Tensor, right: Tensor) -> Tensor:
    """Return a in (S + c^2 I) a = right for each pixel, by cofactors.

    Args:
        pairs: (6, h, w), the covariance S of the colors: rr, rg, rb, gg, gb, bb.
        right: (K, 3, h, w).
    """
    rr, rg, rb, gg, gb, bb = pairs
    rr, gg, bb = (diagonal + CONTRAST**2 for diagonal in (rr, gg, bb))
    inverse = [
        [gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb],
        [gb * rb - rg * bb, rr * bb - rb * rb, rb * rg - rr * gb],
        [rg * gb - gg * rb, rb * rg - rr * gb, rr * gg - rg * rg],
    ]
    first = inverse[0]
    scale = 1 / (rr * first[0] + rg * first[1] + rb * first[2])
    rows = [sum(entry * right[:, i] for i, entry in enumerate(row)) for row in inverse]
    return torch.stack(rows, 1) * scale


def box(maps: Tensor, radius: int) -> Tensor:
    """Return the mean of the (2 radius + 1)^2 pixels around each, edges repeated.

    Args:
        maps: (C, h, w).
    """
    if not radius:
        return maps
    side = (2 * radius + 1,) * 2
    planes = maps.contiguous().numpy()
    means = torch.empty(maps.shape)
    for plane, mean in zip(planes, means.numpy(), strict=True):
        cv2.blur(plane, side, dst=mean, borderType=cv2.BORDER_REPLICATE)
    return means


def normalized(masks: Tensor) -> Tensor:
    """Scale masks to sum to 1."""
    return masks / masks.sum(1, keepdim=True).clamp(min=1e-6)


def decided(masks: Tensor) -> Tensor:
    """Raise probabilities to the fourth power and normalize: most pixels then have one region."""
    return normalized((masks * masks).square_())


def feathered(masks: Tensor, width: float) -> Tensor:
    """Let regions fade into each other over `width` pixels to either side of an edge."""
    # Two boxes make a smooth ramp that reaches as far as both.
    radius = round(width / 2)
    return box(box(masks[0], radius), radius)[None]


def color_plan(masks: Tensor, image: Tensor) -> Tensor:
    """Return the picture (1, 3, H, W) in gray, each region in a color of its own."""
    hues = torch.arange(masks.shape[1]) / masks.shape[1]
    turns = 2 * torch.pi * (hues[:, None] + torch.tensor([0.0, 1 / 3, 2 / 3]))
    colors = (0.5 + 0.5 * torch.cos(turns)).to(masks)
    flat = torch.einsum("nkhw,kc->nchw", masks, colors)
    return 0.5 * flat + 0.5 * luminance(image)


def without_islands(masks: Tensor) -> Tensor:
    """Give islands that are too small to be real to the next most likely region there."""
    height, width = masks.shape[-2:]
    minimum = MIN_ISLAND * height * width
    label = masks[0].argmax(0).numpy()
    allowed = torch.ones_like(masks)
    for k in range(masks.shape[1]):
        region = (label == k).astype(np.uint8)
        count, parts, stats, _ = cv2.connectedComponentsWithStats(region, connectivity=8)
        small = stats[:, cv2.CC_STAT_AREA] < minimum
        small[0] = False  # the pixels outside the region
        if small.any():
            allowed[0, k][torch.from_numpy(small[parts])] = 0
    return normalized(masks * allowed + 1e-6)
