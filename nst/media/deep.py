"""Pictures of more than 8 bits, by their values: 16-bit integers, floats, and film's own kinds.

Pillow cuts these to 8 bits, clips them, or does not know them. OpenCV reads PNG and TIFF of 16 bits
and floats, tifffile the TIFFs that OpenCV does not; FFmpeg reads OpenEXR, DPX and Radiance HDR.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from nst.errors import InputError

# How the files begin that FFmpeg reads and Pillow does not.
FILM = {b"\x76\x2f\x31\x01": "exr", b"SDPX": "dpx", b"XPDS": "dpx", b"#?RADIANCE": "hdr"}


class DeepPicture(NamedTuple):
    """Values as stored, (H, W) gray or (H, W, C) with RGB or RGBA, and what white is.

    Args:
        white: None where the file does not say it: floats, and integers of 32 bits.
        is_linear: the values are amounts of light instead of an sRGB code.
        is_premultiplied: the colors were multiplied by the alpha.
    """

    values: np.ndarray
    white: float | None
    is_linear: bool = False
    is_premultiplied: bool = False


def film_kind(head: bytes) -> str | None:
    """Return exr, dpx or hdr by how a file begins; None for other kinds."""
    return next((kind for mark, kind in FILM.items() if head.startswith(mark)), None)


def read_film(path: Path, kind: str) -> DeepPicture:
    """Read an OpenEXR, DPX or Radiance HDR file by FFmpeg."""
    from nst.media.demux import open_media  # late: training on photos does not need FFmpeg

    with open_media(path, format=f"{kind}_pipe") as container:
        frame = next(container.decode(container.streams.video[0]))
        values, name = frame.to_ndarray(), frame.format.name
    if values.dtype.kind == "f":
        return DeepPicture(values, 1.0, is_linear=True, is_premultiplied=True)
    depth = frame.format.components[0].bits
    if "rgb" not in name and "gbr" not in name and not name.startswith("gray"):
        raise InputError(f"{path} has pixels of the kind {name}: convert it to RGB")
    return DeepPicture(values, float(2**depth - 1))


def film_size(path: Path, kind: str) -> tuple[int, int]:
    """Return the (height, width) of such a file."""
    from nst.media.demux import open_media

    with open_media(path, format=f"{kind}_pipe") as container:
        context = container.streams.video[0].codec_context
        return context.height, context.width


def read_channels(path: Path, planar: bool = False) -> DeepPicture:
    """Read a PNG or TIFF of 16-bit or float channels.

    Args:
        planar: the TIFF has one plane after the other, which OpenCV mixes up.
    """
    values = None if planar else _by_opencv(path)
    if values is None:
        values = _by_tifffile(path)
    integer = values.dtype.kind in "ui" and values.dtype.itemsize < 4
    return DeepPicture(values, float(np.iinfo(values.dtype).max) if integer else None)


def _by_opencv(path: Path) -> np.ndarray | None:
    import cv2  # late: training on photos does not need it

    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        values = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    finally:
        cv2.utils.logging.setLogLevel(level)
    if values is None or values.ndim == 2:
        return values
    return values[..., [2, 1, 0, 3][: values.shape[2]]]


def _by_tifffile(path: Path) -> np.ndarray:
    import tifffile  # late: only what OpenCV cannot read needs it

    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        values = page.asarray()
    return np.moveaxis(values, 0, -1) if page.axes == "SYX" else values


def likely_white(brightest: float) -> float:
    """Return what white probably is in values that do not say it, by the largest of them.

    1 up to 16, since light sources are brighter than white; else 255, or 65535, or the largest.
    """
    for limit, white in ((16.0, 1.0), (255.0, 255.0), (65535.0, 65535.0)):
        if brightest <= limit:
            return white
    return brightest


def brightest_of(picture: DeepPicture) -> float:
    """Return the largest finite color value; 0 where there is none."""
    colors = picture.values[..., :3] if picture.values.ndim == 3 else picture.values
    return float(np.max(colors, initial=0.0, where=np.isfinite(colors)))


def to_unit(picture: DeepPicture, white: float | None = None) -> np.ndarray:
    """Return the values as float32 in [0, 1], sRGB-encoded; (H, W, 3) or with alpha (H, W, 4).

    Values below 0, and what is not a number, are black.

    Args:
        white: for all frames of a sequence; None decides by this picture alone.
    """
    white = picture.white or white or likely_white(brightest_of(picture))
    values = np.nan_to_num(picture.values.astype(np.float32), nan=0.0)
    if values.ndim == 2 or values.shape[2] == 1:
        values = np.repeat(values.reshape(*values.shape[:2], 1), 3, 2)
    colors = values[..., :3] / white
    alpha = None
    if values.shape[2] > 3:
        # Of floats an alpha of 1 is opaque, whatever their white.
        alpha = (values[..., 3:4] / (picture.white or 1.0)).clip(0, 1)
        if picture.is_premultiplied:
            colors = np.where(alpha > 0, colors / np.maximum(alpha, 1e-6), 0)
    colors = colors.clip(0, 1)
    if picture.is_linear:
        colors = srgb_encoded(colors)
    return colors if alpha is None else np.concatenate([colors, alpha], 2)


def srgb_encoded(light: np.ndarray) -> np.ndarray:
    """Encode linear light in [0, 1] by the sRGB curve (IEC 61966-2-1)."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
