"""Pictures as images, and images as picture files."""

from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from nst.core.files import check_place, replacing
from nst.core.tensors import size_of, to_float, to_uint8
from nst.errors import InputError
from nst.media.color_profile import SRGB
from nst.media.picture_reader import Pixels, eight_bits, read_pixels

# Kinds that can be written, and their encoder's options. BMP cannot say that it is sRGB.
WRITABLE: dict[str, dict[str, Any]] = {
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0, "icc_profile": SRGB},
    ".jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0, "icc_profile": SRGB},
    ".png": {"format": "PNG", "icc_profile": SRGB},
    ".webp": {"format": "WEBP", "quality": 95, "icc_profile": SRGB},
    ".tif": {"format": "TIFF", "icc_profile": SRGB},
    ".tiff": {"format": "TIFF", "icc_profile": SRGB},
    ".bmp": {"format": "BMP"},
}
WITH_ALPHA = (".png", ".webp", ".tif", ".tiff")
LONGEST_SIDE = {".jpg": 65535, ".jpeg": 65535, ".webp": 16383}  # what the kind can say


def read_picture(path: Path | BinaryIO, long_side: int | None = None) -> Image.Image:
    """Read a picture as 8-bit sRGB, upright, transparency on white; see `read_pixels`."""
    colors = read_pixels(path, long_side).over()
    return Image.fromarray(colors if colors.dtype == np.uint8 else eight_bits(colors))


def load_image(path: Path | BinaryIO, long_side: int | None = None) -> Tensor:
    """Read a picture as an image (1, 3, H, W), transparency on white; see `read_pixels`."""
    return _image(read_pixels(path, long_side).over())


def load_image_and_alpha(path: Path, long_side: int | None = None) -> tuple[Tensor, Tensor | None]:
    """Read a picture as an image (1, 3, H, W) and its alpha (1, 1, H, W); None is opaque.

    Colors are not multiplied by the alpha; what is fully transparent is white.
    """
    return split_alpha(read_pixels(path, long_side))


def split_alpha(pixels: Pixels) -> tuple[Tensor, Tensor | None]:
    """Return what `load_image_and_alpha` does, of pixels already read."""
    if pixels.alpha is None:
        return _image(pixels.colors), None
    white = pixels.colors.dtype.type(255 if pixels.colors.dtype == np.uint8 else 1)
    alpha = pixels.alpha[..., None]
    return _image(np.where(alpha > 0, pixels.colors, white)), _image(alpha)


def load_mask(path: Path) -> Tensor:
    """Read a mask's levels as stored, (1, 3, H, W): no color profile, transparency on black."""
    return _image(read_pixels(path, manage_color=False).over(0.0))


def small_jpeg(picture: Image.Image) -> bytes:
    """Return a picture as a JPEG file that is good enough to take a style from."""
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def save_image(image: Tensor, path: Path, alpha: Tensor | None = None) -> None:
    """Write an image (1, 3, H, W) as sRGB by the path's ending, beside it and then renamed.

    Args:
        alpha: (1, 1, H, W), for the kinds of `WITH_ALPHA`.

    Raises:
        InputError: the ending is unknown, the image too large for its kind, or the place cannot be
            written.
    """
    check_place(path, "", WRITABLE)
    check_size(path, size_of(image))
    array = to_uint8(image)
    if alpha is not None:
        array = np.dstack([array, to_uint8(alpha)])
    with replacing(path) as partial:
        write_array(array, partial)


def write_array(array: np.ndarray, path: Path, **options: Any) -> None:
    """Write uint8 (H, W, 3), or (H, W, 4) with alpha, by the path's ending, tagged as sRGB."""
    Image.fromarray(array).save(path, **(WRITABLE[path.suffix.lower()] | options))


def check_size(path: Path, size: tuple[int, int]) -> None:
    """Refuse a (height, width) that the kind of a picture's path cannot hold.

    Raises:
        InputError: it is too large.
    """
    ending = path.suffix.lower()
    longest = LONGEST_SIDE.get(ending)
    if longest and max(size) > longest:
        raise InputError(
            f"{path} would be {size[1]}x{size[0]} pixels, and {ending} holds {longest} at most: "
            "write .png, or give a smaller --long-side"
        )


def center_crop(picture: Image.Image, size: int) -> Tensor:
    """Return the middle square of a picture at this size, as an image (1, 3, size, size)."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    box = (left, top, left + side, top + side)
    return to_float(np.array(picture.resize((size, size), Image.Resampling.BICUBIC, box=box)))


def _image(array: np.ndarray) -> Tensor:
    """Return (H, W, C), uint8 or float32 in [0, 1], as (1, C, H, W)."""
    if array.dtype == np.uint8:
        return to_float(array)
    return torch.from_numpy(array).permute(2, 0, 1)[None].float()
