"""Style pictures: found in a folder, read, and kept small in a checkpoint."""

from io import BytesIO
from pathlib import Path
from unicodedata import normalize

import numpy as np
from PIL import Image
from torch import Tensor

from nst.core.tensors import to_float
from nst.errors import InputError
from nst.media.folders import list_pictures
from nst.media.images import load_image, read_picture, small_jpeg
from nst.media.picture_file import READABLE
from nst.models.checkpoint import Checkpoint
from nst.options.shared import STYLE_PICTURE_SIDE
from nst.styles.spec import FORBIDDEN_IN_NAMES, ORIGINAL, StyleSpec


def style_name(file: Path) -> str:
    """Return what a picture's style is called: its file's name, composed (NFC) as people type it.

    Macs decompose letters with accents in the names of files.
    """
    return normalize("NFC", file.stem)


def find_styles(style_dir: Path, identity: str) -> dict[str, Path]:
    """Return {style's name: its picture}, by the files' names; one picture is one style.

    Raises:
        InputError: nothing there, two files of one name, or a name that --style reads otherwise.
    """
    files = [style_dir] if style_dir.is_file() else list_pictures(style_dir)
    styles: dict[str, Path] = {}
    for file in files:
        name = style_name(file)
        reserved = name in (identity, ORIGINAL) or Path(name).suffix.lower() in READABLE
        if reserved or any(mark in name for mark in FORBIDDEN_IN_NAMES):
            raise InputError(
                f"{file} cannot name a style: rename it, without {' '.join(FORBIDDEN_IN_NAMES)}, "
                f"not '{identity}' or '{ORIGINAL}', and with one ending"
            )
        if name in styles:
            raise InputError(f"{styles[name]} and {file} would be one style: rename one")
        read_picture(file)
        styles[name] = file
    return styles


def load_style(path: Path, short_side: int) -> Tensor:
    """Read a style picture as an image, resized so that its shorter side is `short_side`.

    Of a strip longer than four times its width only the middle is taken.
    """
    return to_float(np.array(_style_picture(path, short_side)))


def small_copy(path: Path, short_side: int) -> bytes:
    """Return a style picture as a JPEG file, cut and resized as by `load_style`."""
    return small_jpeg(_style_picture(path, short_side))


def _style_picture(path: Path, short_side: int) -> Image.Image:
    picture = read_picture(path, 2 * short_side)
    width, height = (min(side, 4 * min(picture.size)) for side in picture.size)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    picture = picture.crop((left, top, left + width, top + height))
    scale = short_side / min(picture.size)
    width, height = (max(short_side, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def style_pictures(checkpoint: Checkpoint, style: StyleSpec) -> list[tuple[Tensor, float]]:
    """Return the pictures (1, 3, H, W) that a blend's styles were taken from, and their weights.

    Raises:
        InputError: the checkpoint does not hold one of them.
    """
    pictures = []
    for name, weight in style.weights:
        if isinstance(name, Path):
            pictures.append((load_style(name, STYLE_PICTURE_SIDE), weight))
        elif name in checkpoint.pictures:
            pictures.append((load_image(BytesIO(checkpoint.pictures[name])), weight))
        else:
            raise InputError(f"this checkpoint carries no picture of the style {name!r}")
    return pictures
