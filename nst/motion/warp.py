"""Pictures carried along optical flow, and where that can be trusted.

A flow (N, 2, H, W) is in pixels of its own grid, x then y, and lies on the grid of the picture it
starts from: source(p) looks like target(p + flow(p)).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from nst.core.tensors import blur, stretch


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """Bring `image` onto the pixel grid that `flow` starts from.

    Pixel (x, y) of the result is `image` sampled at (x, y) + flow(x, y), so with the backward flow
    t -> t-1 the previous frame is redrawn as seen at t. Samples that fall outside take the nearest
    border pixel; `inside` tells which.

    Args:
        image: (N, C, H, W), any range.
        flow: (N, 2, H, W).

    Raises:
        ValueError: the two differ in N, H or W.

    >>> strip = torch.arange(5.0).view(1, 1, 1, 5).expand(1, 1, 2, 5)
    >>> one_right = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 2, 5)
    >>> [round(v, 4) for v in warp(strip, one_right)[0, 0, 0].tolist()]
    [1.0, 2.0, 3.0, 4.0, 4.0]
    """
    if len(image) != len(flow) or image.shape[-2:] != flow.shape[-2:]:
        raise ValueError(f"image {tuple(image.shape)} and flow {tuple(flow.shape)} do not fit")
    return _sample(image, flow_ends(flow), "bilinear")


def quick_warp(image: Tensor, flow: Tensor) -> Tensor:
    """Do as `warp`, several times faster for one image on a CPU: to 1/32 of a pixel there.

    Without gradient then, see `remap`.
    """
    if len(image) > 1 or image.shape[1] > 4 or image.device.type != "cpu":  # OpenCV has four
        return warp(image, flow)
    return remap(image, flow_ends(flow))


def sharp_warp(image: Tensor, flow: Tensor) -> Tensor:
    """Do as `warp` with cubic interpolation, which keeps fine detail; values may overshoot.

    Without gradient on a CPU, see `remap`.

    Args:
        image: (1, C, H, W), float32.
        flow: (1, 2, H, W).
    """
    return remap(image, flow_ends(flow), sharp=True)


def remap(image: Tensor, places: Tensor, sharp: bool = False, periodic: bool = False) -> Tensor:
    """Return an image (1, C, H, W), float32, sampled at places (1, 2, h, w), x then y, in pixels.

    Without gradient on a CPU, where OpenCV is several times faster than PyTorch.

    Args:
        sharp: interpolate with cubics; bilinear otherwise.
        periodic: the image repeats itself beyond its edges; otherwise its edges do.
    """
    if image.device.type != "cpu":
        if periodic:
            height, width = image.shape[-2:]
            places = places % torch.tensor([width, height]).to(places).view(1, 2, 1, 1)
            image = F.pad(image, (0, 1, 0, 1), mode="circular")
        return _sample(image, places, "bicubic" if sharp else "bilinear")
    import cv2  # late: training needs none of it

    x, y = places[0].numpy()
    pixels = image[0].permute(1, 2, 0).numpy()
    how = cv2.INTER_CUBIC if sharp else cv2.INTER_LINEAR
    border = cv2.BORDER_WRAP if periodic else cv2.BORDER_REPLICATE
    sampled = cv2.remap(pixels, x, y, how, borderMode=border)
    return torch.from_numpy(sampled).view(*x.shape, -1).permute(2, 0, 1)[None]


def _sample(image: Tensor, places: Tensor, mode: str) -> Tensor:
    height, width = image.shape[-2:]
    # Plain numbers: a tensor of them would have a GPU wait for its copy from the host.
    x, y = places.unbind(1)
    grid = torch.stack([x / max(width - 1, 1), y / max(height - 1, 1)], 3) * 2 - 1
    grid = grid.to(image.dtype)
    return F.grid_sample(image, grid, mode, padding_mode="border", align_corners=True)


def inside(flow: Tensor) -> Tensor:
    """Return a mask (N, 1, H, W), 1 where the flow ends inside the frame."""
    height, width = flow.shape[-2:]
    x, y = flow_ends(flow).split(1, dim=1)
    return ((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)).to(flow.dtype)


def flow_ends(flow: Tensor) -> Tensor:
    """Return where each pixel's flow ends, (N, 2, H, W), x then y."""
    height, width = flow.shape[-2:]
    positions = flow.clone()
    positions[:, 0] += torch.arange(width, dtype=flow.dtype, device=flow.device)
    positions[:, 1] += torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None]
    return positions


def resize_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize a flow's grid; each component is scaled by the ratio of its own axis."""
    height, width = flow.shape[-2:]
    if (height, width) == tuple(size):
        return flow
    x, y = flow.split(1, dim=1)  # scaled before: it is small more often than not
    return stretch(torch.cat([x * (size[1] / width), y * (size[0] / height)], 1), size)


def flow_validity(flow: Tensor, reverse: Tensor) -> Tensor:
    """Return a mask (N, 1, H, W), 1 where `flow` can be trusted, softened outward from where not.

    A pixel is not to be trusted where it is occluded (going there and back again does not return),
    at a boundary of motion, or where the flow leaves the frame. Conditions and constants of
    Sundaram et al., "Dense Point Trajectories by GPU-Accelerated Large Displacement Optical Flow",
    2010, as Ruder et al. 2016 use them.

    Args:
        flow: (N, 2, H, W), from source to target.
        reverse: from target to source, on the target's grid.
    """
    energy = flow.square().sum(1, keepdim=True)
    occluded = _occluded(flow, reverse)
    dx = F.pad(flow[..., :, 2:] - flow[..., :, :-2], (1, 1, 0, 0)) / 2
    dy = F.pad(flow[..., 2:, :] - flow[..., :-2, :], (0, 0, 1, 1)) / 2
    steepness = dx.square().sum(1, keepdim=True) + dy.square().sum(1, keepdim=True)
    boundary = steepness > 0.01 * energy + 0.002
    trusted = (~(occluded | boundary)).to(flow.dtype) * inside(flow)
    # Where all neighbors are trusted, then their mean: doubt reaches a little further and is soft.
    return blur((blur(trusted) > 0.999).to(flow.dtype))


def uncovered(flow: Tensor, reverse: Tensor) -> Tensor:
    """Return a mask (N, 1, H, W), 1 where `flow`, backward, ends on what covered the ground before.

    Args:
        flow, reverse: as for `flow_validity`.
    """
    return (blur(_occluded(flow, reverse).to(flow.dtype)) > 0.5).to(flow.dtype) * inside(flow)


def _occluded(flow: Tensor, reverse: Tensor) -> Tensor:
    """Return where going there and back again does not return (N, 1, H, W)."""
    returned = quick_warp(reverse, flow)
    gap = (flow + returned).square().sum(1, keepdim=True)
    energy = flow.square().sum(1, keepdim=True) + returned.square().sum(1, keepdim=True)
    return gap >= 0.01 * energy + 0.5
