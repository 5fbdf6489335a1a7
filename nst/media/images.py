"""Pictures in and out: any file that Pillow reads, upright and in RGB."""

import os
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from nst.core.files import replacing
from nst.core.tensors import to_float, to_uint8
from nst.errors import InputError

READABLE = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
WRITABLE = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def read_picture(path: Path | BinaryIO) -> Image.Image:
    """Open a picture: turned as its EXIF tag says, transparency on white, 8-bit RGB.

    Raises:
        InputError: no such file, or not a picture.
    """
    try:
        with Image.open(path) as picture:
            picture = ImageOps.exif_transpose(picture)
            if picture.mode.startswith(("I", "F")):  # more than 8 bits: Pillow's conversion clips
                levels = np.asarray(picture, dtype=np.float32)
                # Only 16-bit integers say what is white; others are scaled by their brightest.
                sixteen = picture.mode.startswith("I;16")
                white = 65535.0 if sixteen else max(255.0, levels.max())
                picture = Image.fromarray((levels / white * 255).round().astype(np.uint8))
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                white = Image.new("RGBA", picture.size, "white")
                picture = Image.alpha_composite(white, picture)
            return picture.convert("RGB")
    except FileNotFoundError as error:
        raise InputError(f"no file {path}: check the path") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder: give a picture") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} is too large to open: {error}") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as a picture: give a JPEG, PNG or the like"
        ) from error


def load_image(path: Path | BinaryIO) -> Tensor:
    """Read a picture as an image (1, 3, H, W); see `read_picture` for its errors."""
    return to_float(np.array(read_picture(path)))


def small_jpeg(picture: Image.Image) -> bytes:
    """Return a picture as a JPEG file that is good enough to take a style from."""
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def save_image(image: Tensor, path: Path) -> None:
    """Write an image (1, 3, H, W) by the path's ending, beside it and then renamed.

    Raises:
        InputError: the ending is unknown, or the place cannot be written.
    """
    check_writable(path)
    options = {"quality": 95} if path.suffix.lower() in (".jpg", ".jpeg", ".webp") else {}
    with replacing(path) as partial:
        Image.fromarray(to_uint8(image)).save(partial, **options)


def check_writable(path: Path) -> None:
    """Refuse a picture's path that could not be written.

    Raises:
        InputError: unknown ending, no such folder, or no right to write there.
    """
    if path.suffix.lower() not in WRITABLE:
        raise InputError(f"{path} has no known ending: use one of {', '.join(WRITABLE)}")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}: make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"the folder {path.parent} cannot be written: choose another")


def list_pictures(folder: Path, recursive: bool = False) -> list[Path]:
    """Return the files of a folder that look like pictures by their ending, sorted by path.

    Raises:
        InputError: no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: check the path")
    files = folder.rglob("*") if recursive else folder.iterdir()
    pictures = sorted(f for f in files if f.suffix.lower() in READABLE and f.is_file())
    if not pictures:
        raise InputError(f"no pictures in {folder}: it needs files such as .jpg or .png")
    return pictures


def center_crop(picture: Image.Image, size: int) -> Tensor:
    """Return the middle square of a picture at this size, as an image (1, 3, size, size)."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    box = (left, top, left + side, top + side)
    return to_float(np.array(picture.resize((size, size), Image.Resampling.BICUBIC, box=box)))
