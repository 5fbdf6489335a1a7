"""One way to read a picture: whatever its kind, upright, in sRGB, with its transparency."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from nst.core.progress import warn
from nst.media.color_profile import ProfileError, lab_to_srgb, to_srgb
from nst.media.deep import (
    DeepPicture,
    brightest_of,
    film_kind,
    read_channels,
    read_film,
    to_unit,
)
from nst.media.picture_file import (
    BITS_PER_SAMPLE,
    EXTRA_SAMPLES,
    PHOTOMETRIC,
    PLANES,
    TIFF_MARKS,
    check_size,
    explained,
    head_of,
    header_of,
    open_picture,
    orientation_of,
    tiff_tags,
)

# Kinds whose frames are a sequence in time; a TIFF's are pages. FFmpeg reads GIFs.
MOVING = ("WEBP", "PNG", "AVIF", "HEIF")


@dataclass(frozen=True)
class Pixels:
    """A picture as it was decoded: upright, sRGB, its colors not multiplied by the alpha.

    Args:
        colors: (H, W, 3), uint8, or float32 in [0, 1] where the file has more than 8 bits.
        alpha: (H, W), of the same type; None where all is opaque.
        size: (height, width) of the whole picture, which a reduced one has less than.
    """

    colors: np.ndarray
    alpha: np.ndarray | None
    size: tuple[int, int]

    def over(self, background: float = 1.0) -> np.ndarray:
        """Return the colors, (H, W, 3) of their type, over a gray background in [0, 1]."""
        if self.alpha is None:
            return self.colors
        top = 255 if self.colors.dtype == np.uint8 else 1
        alpha = self.alpha[..., None].astype(np.float32) / top
        mixed = alpha * self.colors + (1 - alpha) * np.float32(top * background)
        return mixed.round().astype(np.uint8) if top == 255 else mixed


def read_pixels(
    path: Path | BinaryIO,
    long_side: int | None = None,
    white: float | None = None,
    manage_color: bool = True,
) -> Pixels:
    """Read a picture of any kind that Pillow, OpenCV or FFmpeg reads, known by its content.

    Turned as its EXIF tag says and converted from its color profile to sRGB. 16-bit and float
    pictures keep their values, white being 65535 and, of floats, 1, 255 or 65535 by their
    brightest; OpenEXR and HDR are encoded from linear light.

    Args:
        long_side: pixels that are enough: a picture four times as large is decoded at a fraction
            of its size, never below twice this.
        white: of floats, where it is known.
        manage_color: False leaves the levels as stored, as masks need it.

    Raises:
        InputError: no such file, not a picture, broken or too large.
    """
    with explained(path):
        return _read(path, long_side, white, manage_color)


@dataclass(frozen=True)
class Animation:
    """The times of a picture that moves.

    Args:
        shown: milliseconds of each frame.
        loop: how often it is played, 0 is for ever.
        first: the frame to begin with; before it is a still for programs that show no animation.
    """

    shown: tuple[int, ...]
    loop: int
    first: int = 0


def animation_of(path: Path) -> Animation | None:
    """Return the times of a picture that moves (animated WebP, PNG, AVIF); None of a still.

    Raises:
        InputError: as for `read_pixels`.
    """
    with explained(path), suppress(UnidentifiedImageError):
        if film_kind(head_of(path)):
            return None
        with open_picture(path) as picture:
            count = getattr(picture, "n_frames", 1)
            first = int(bool(picture.info.get("default_image")))
            if count - first < 2 or picture.format not in MOVING:
                return None
            shown = []
            for index in range(first, count):
                picture.seek(index)
                picture.load()
                # Browsers show what says nothing of its time for a tenth of a second.
                shown.append(round(picture.info.get("duration") or 100))
            return Animation(tuple(shown), int(picture.info.get("loop") or 0), first)
    return None


def animation_frames(path: Path, animation: Animation) -> Iterator[Pixels]:
    """Yield the frames of a picture that moves."""
    with explained(path), open_picture(path) as picture:
        for index in range(len(animation.shown)):
            picture.seek(animation.first + index)
            yield _shallow(picture, path)


def brightest_value(path: Path) -> float | None:
    """Return the largest color value of a picture that does not say what white is, else None."""
    with explained(path):
        if film_kind(head_of(path)):
            return None
        try:
            with open_picture(path) as picture:
                deep = _deep_values(picture, path)
        except UnidentifiedImageError:
            deep = read_channels(path, tiff_tags(path).get(PLANES) == 2)
    return None if deep is None or deep.white else brightest_of(deep)


def _read(
    path: Path | BinaryIO, long_side: int | None, white: float | None, manage_color: bool
) -> Pixels:
    head = head_of(path)
    if isinstance(path, Path) and (kind := film_kind(head)):
        header_of(path)  # refuses what is too large
        return _pixels(to_unit(read_film(path, kind), white), 1)
    try:
        picture = open_picture(path)
    except UnidentifiedImageError:
        if not (isinstance(path, Path) and head.startswith(TIFF_MARKS)):
            raise
        _, orientation = header_of(path)  # channels that Pillow does not know, such as floats
        planar = tiff_tags(path).get(PLANES) == 2
        return _pixels(to_unit(read_channels(path, planar), white), orientation)
    with picture:
        check_size(path, picture.size[::-1])
        orientation = orientation_of(picture)
        deep = _deep_values(picture, path)
        if deep is not None:
            unit = to_unit(deep, white)
            profile = picture.info.get("icc_profile")
            if manage_color and profile:
                colors = _managed(Image.fromarray(eight_bits(unit[..., :3])), profile, path)
                unit = np.dstack([np.asarray(colors) / np.float32(255), unit[..., 3:]])
            # Pillow turns the TIFFs that it decodes.
            if picture.format == "TIFF" and deep.values.ndim == 2:
                orientation = 1
            return _pixels(unit, orientation)
        return _shallow(picture, path, long_side, manage_color)


def _shallow(
    picture: Image.Image, path: object, long_side: int | None = None, manage_color: bool = True
) -> Pixels:
    """Decode an open picture of 8 bits."""
    size = picture.size[::-1]
    if long_side:
        width, height = (max(1, round(2 * long_side * s / max(size))) for s in picture.size)
        picture.draft(None, (width, height))  # JPEG decodes to a half, a quarter or an eighth
    picture.load()
    profile = picture.info.get("icc_profile")
    flat, alpha = _without_alpha(picture)
    factor = max(flat.size) // (2 * long_side) if long_side else 1
    if factor >= 2:
        flat, alpha = flat.reduce(factor), alpha and alpha.reduce(factor)
    if manage_color and flat.mode == "LAB":
        flat = lab_to_srgb(flat)
    elif manage_color and profile:
        flat = _managed(flat, profile, path)
    colors = np.array(flat.convert("RGB"))
    if alpha is not None:
        colors = np.dstack([colors, np.asarray(alpha)])
    orientation = orientation_of(picture)
    return _pixels(colors, orientation, size[::-1] if orientation >= 5 else size)


def _pixels(array: np.ndarray, orientation: int, size: tuple[int, int] | None = None) -> Pixels:
    """Turn a decoded array (H, W, 3 or 4) upright; `size` is its own unless it was reduced."""
    array = np.ascontiguousarray(_upright(array, orientation))
    alpha = array[..., 3] if array.shape[2] == 4 else None
    if alpha is not None and alpha.min(initial=1) == (255 if alpha.dtype == np.uint8 else 1):
        alpha = None
    colors = array if array.shape[2] == 3 else np.ascontiguousarray(array[..., :3])
    return Pixels(colors, alpha, size or colors.shape[:2])


def _upright(array: np.ndarray, orientation: int) -> np.ndarray:
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def _deep_values(picture: Image.Image, path: Path | BinaryIO) -> DeepPicture | None:
    """Return the values of an open picture of more than 8 bits; None for one of 8."""
    tags = getattr(picture, "tag_v2", {})
    bits = max(np.atleast_1d(tags.get(BITS_PER_SAMPLE, 8)))
    if picture.mode.startswith(("I", "F")):
        values = np.asarray(picture)
        says_white = picture.mode.startswith("I") and bits <= 16
        if says_white and tags.get(PHOTOMETRIC) == 0:  # scanners: 0 is white
            values = 65535 - values.astype(np.int32)
        return DeepPicture(values, 65535.0 if says_white else None)
    if picture.format == "PNG":
        bits = (head_of(path) or bytes(32))[24]
    if not isinstance(path, Path) or bits <= 8:
        return None
    if picture.mode not in ("RGB", "RGBA", "LA"):
        return None
    planar = tags.get(PLANES) == 2
    return read_channels(path, planar)._replace(is_premultiplied=tags.get(EXTRA_SAMPLES) == (1,))


def _without_alpha(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return the colors, in a mode that a profile may be for, and the alpha as mode L."""
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return picture.convert("RGB"), picture.getchannel("A")
    if picture.mode in ("RGB", "L", "CMYK", "LAB"):
        return picture, None
    return picture.convert("L" if picture.mode == "1" else "RGB"), None


def _managed(picture: Image.Image, profile: bytes, path: object) -> Image.Image:
    try:
        return to_srgb(picture, profile)
    except ProfileError as error:
        warn(f"{path}: {error}; its colors are taken as sRGB")
        return picture.convert("RGB")


def eight_bits(unit: np.ndarray) -> np.ndarray:
    """Round values in [0, 1] to uint8."""
    return (unit * 255).round().astype(np.uint8)
