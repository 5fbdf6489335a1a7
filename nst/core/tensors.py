"""Range, layout and size of images."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nst.errors import InputError


def to_float(array: np.ndarray, device: torch.device | None = None) -> Tensor:
    """Turn uint8 (H, W, 3) into an image (1, 3, H, W) in [0, 1].

    The result keeps the array's order in memory (channels last), which convolutions like.

    Args:
        device: of the result; None is the CPU. To CUDA the 8 bits go, from pinned memory, and the
            host does not wait for them.
    """
    levels = torch.from_numpy(array)
    if device is not None and device.type != "cpu":
        levels = levels.pin_memory() if device.type == "cuda" else levels
        levels = levels.to(device, non_blocking=True)
    return levels.permute(2, 0, 1)[None].float().div_(255)


def to_uint8(image: Tensor) -> np.ndarray:
    """Turn an image (1, 3, H, W) into uint8 (H, W, 3), rounded and clamped.

    Truncation instead would darken by half a level each time a picture passes.
    """
    return Download(image).array()


class Download:
    """An image (1, 3, H, W) on its way to the host as uint8 (H, W, 3), rounded and clamped.

    From CUDA it goes to pinned memory, and only `array` waits for it.
    """

    def __init__(self, image: Tensor):
        levels = image.detach()[0].float().mul(255).round_().clamp_(0, 255).to(torch.uint8)
        levels = levels.permute(1, 2, 0).contiguous()
        self._arrived = None
        if levels.device.type != "cuda":
            self._levels = levels.cpu()
            return
        self._levels = torch.empty(levels.shape, dtype=torch.uint8, pin_memory=True)
        self._levels.copy_(levels, non_blocking=True)
        self._arrived = torch.cuda.Event()
        self._arrived.record()

    def array(self) -> np.ndarray:
        """Return it when it is there."""
        if self._arrived:
            self._arrived.synchronize()
        return self._levels.numpy()


def to_uint16(image: Tensor) -> np.ndarray:
    """Return an image (1, C, H, W) as uint16 (H, W, C), rounded."""
    levels = (image.detach()[0].float().clamp(0, 1) * 65535).round().permute(1, 2, 0).cpu()
    return levels.numpy().astype(np.uint16)


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Extend the right and bottom edges until both sides are multiples of `multiple`.

    Edges are mirrored where the picture is large enough and repeated where it is not; crop the
    result with `[..., :height, :width]`.
    """
    height, width = image.shape[-2:]
    right, bottom = -width % multiple, -height % multiple
    if not (right or bottom):
        return image
    mode = "reflect" if right < width and bottom < height else "replicate"
    return F.pad(image, (0, right, 0, bottom), mode=mode)


def size_of(image: Tensor) -> tuple[int, int]:
    """Return the size (height, width) of an image, or of maps, (..., H, W)."""
    height, width = image.shape[-2:]
    return height, width


def fit(size: tuple[int, int], long_side: int | None) -> tuple[int, int]:
    """Return the size with this longer side and the same aspect; None keeps it.

    >>> fit((1080, 1920), 640)
    (360, 640)
    """
    if long_side is None:
        return size
    scale = long_side / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def fit_within(size: tuple[int, int], long_side: int) -> tuple[int, int]:
    """Return the size with the same aspect whose longer side is at most `long_side`.

    >>> fit_within((1080, 1920), 640), fit_within((90, 160), 640)
    ((360, 640), (90, 160))
    """
    return fit(size, min(max(size), long_side))


def working_size(
    size: tuple[int, int], long_side: int | None, source: str | Path, min_side: int
) -> tuple[int, int]:
    """Return the size to work at: that of the source, or the one with this longer side.

    Raises:
        InputError: a side would be below `min_side`.
    """
    size = fit(size, long_side)
    if min(size) < min_side:
        raise InputError(
            f"{source} would be {size[1]}x{size[0]} pixels; "
            f"both sides must be at least {min_side}: give a larger one or another --long-side"
        )
    return size


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize with bicubic interpolation and antialiasing; values stay in [0, 1]."""
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    resized = F.interpolate(image, size=size, mode="bicubic", antialias=True, align_corners=False)
    return resized.clamp(0, 1)


def stretch(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring maps (N, C, h, w) to another size by bilinear interpolation, without smoothing.

    Without gradient on a CPU, where OpenCV is several times faster than PyTorch.
    """
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    if maps.device.type != "cpu":
        return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)
    import cv2  # late: training needs none of it

    stretched = maps.new_empty(*maps.shape[:2], *size)
    planes = zip(maps.flatten(0, 1).numpy(), stretched.flatten(0, 1).numpy(), strict=True)
    for plane, result in planes:
        cv2.resize(plane, size[::-1], dst=result, interpolation=cv2.INTER_LINEAR)
    return stretched


def blur(image: Tensor, side: int = 3) -> Tensor:
    """Return the mean of side x side pixels around each of an image (N, C, H, W), edges repeated.

    Without gradient on a CPU for one image, where OpenCV is many times faster than PyTorch.
    """
    if image.device.type != "cpu" or len(image) > 1:
        return F.avg_pool2d(F.pad(image, (side // 2,) * 4, mode="replicate"), side, 1)
    import cv2  # late: training needs none of it

    pixels = image[0].permute(1, 2, 0).numpy()
    means = cv2.blur(pixels, (side, side), borderType=cv2.BORDER_REPLICATE)
    return torch.from_numpy(means).view(pixels.shape).permute(2, 0, 1)[None]
