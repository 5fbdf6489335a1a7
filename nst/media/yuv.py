"""Between a decoder's pictures and upright RGB arrays, without a shift of color."""

from typing import Any, cast

import numpy as np
from av import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

# H.273's matrix numbers, as streams carry them -> swscale's tables of coefficients.
COEFFICIENTS = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}

# The faster paths darken by up to two levels and take one chroma sample for two pixels.
EXACT = (
    Interpolation.BILINEAR
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
)


def is_deep(frame: VideoFrame) -> bool:
    """Tell whether a frame's samples have more than 8 bits."""
    return frame.format.components[0].bits > 8


def has_alpha(name: str) -> bool:
    """Tell whether a pixel format has alpha, by its name.

    >>> [has_alpha(name) for name in ("yuva420p", "argb", "gbrap10le", "yuv420p", "gray")]
    [True, True, True, False, False]
    """
    return name.startswith(("yuva", "rgba", "argb", "bgra", "abgr", "gbrap", "ya8", "ya16"))


def known_matrix(matrix: int, size: tuple[int, int]) -> int:
    """Return the stream's matrix, or where it is not said the one that players take by the size.

    >>> unspecified = 2
    >>> known_matrix(unspecified, (720, 1280)), known_matrix(unspecified, (480, 640))
    (1, 6)
    """
    if matrix in COEFFICIENTS:
        return matrix
    return 1 if size[0] > 576 or size[1] >= 1280 else 6


def is_full_range(frame: VideoFrame) -> bool:
    """Tell whether 0 to 255 are black to white, instead of 16 to 235."""
    return frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")


def turn_of(frame: VideoFrame) -> tuple[bool, bool, bool]:
    """Read how a frame is to be shown: transposed, then mirrored left-right, then up-down."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False, False, False
    xx, xy, _, yx, yy = np.frombuffer(bytes(cast(Any, matrix)), np.int32)[:5].tolist()
    if abs(xy) > abs(xx):
        return True, yx < 0, xy < 0
    return False, xx < 0, yy < 0


def to_rgb(
    frame: VideoFrame,
    convert: VideoReformatter,
    size: tuple[int, int],
    matrix: int,
    full_range: bool,
    turn: tuple[bool, bool, bool],
    kind: str = "rgb24",
) -> np.ndarray:
    """Return a frame as upright uint8 (H, W, 3).

    Args:
        convert: is set up for the first frame and kept for the next.
        size: of the result; a frame that changed its size on the way is brought to it.
        turn: see `turn_of`.
        kind: of the pixels; rgba is (H, W, 4), gbrp16le and gbrap16le are uint16. (Of packed 16
            bits swscale fills only the first row.)
    """
    transposed, left_right, up_down = turn
    height, width = size[::-1] if transposed else size
    coefficients = COEFFICIENTS.get(matrix)
    full_range = full_range or frame.format.is_rgb
    converted = convert.reformat(
        frame,
        width=width,
        height=height,
        format=kind,
        interpolation=EXACT,
        src_colorspace=coefficients,
        dst_colorspace=coefficients,
        src_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
    )
    array = converted.to_ndarray()
    if not any(turn):
        return array
    array = array.swapaxes(0, 1) if transposed else array
    array = array[:, ::-1] if left_right else array
    return np.ascontiguousarray(array[::-1] if up_down else array)


def from_rgb(
    array: np.ndarray,
    convert: VideoReformatter,
    width: int,
    pix_fmt: str,
    matrix: int,
    full_range: bool,
) -> VideoFrame:
    """Return uint8 or uint16 (H, W, 3 or 4), stretched to a width, as a frame for an encoder.

    Args:
        convert: is set up for the first frame and kept for the next.
    """
    coefficients = COEFFICIENTS[matrix]
    kind = "rgb24" if array.shape[2] == 3 else "rgba"
    if array.dtype == np.uint16:
        kind = "rgb48le" if array.shape[2] == 3 else "rgba64le"
    return convert.reformat(
        VideoFrame.from_ndarray(array, format=kind),
        width=width,
        format=pix_fmt,
        interpolation=EXACT,
        src_colorspace=coefficients,
        dst_colorspace=coefficients,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
    )
