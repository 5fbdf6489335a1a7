"""A picture of a frame brought onto that frame, when it is of another size or lies beside it."""

import cv2
import numpy as np
import torch
from torch import Tensor

from nst.core.color import luminance
from nst.core.tensors import resize, size_of
from nst.errors import InputError

# Sides' ratios that differ by less than this fraction are one and the same.
SAME_ASPECT = 0.02
# A picture may be moved by this fraction of the frame's sides; nearer than a pixel it fits.
MOVED, FITS = 0.08, 1.0
SEARCHED = 0.15  # it is looked for this far
# Longer side in pixels at which the place is looked for.
SEARCHED_SIDE = 512
SURROUNDINGS = 8.0  # pixels there
# Correlation of edges, 0 to 1, above which a picture shows its frame, and by how much more of it
# than in place there must be for it to be moved.
SHOWS, GAIN = 0.12, 0.05


def align(picture: Tensor, frame: Tensor, name: str) -> tuple[Tensor, tuple[float, float]]:
    """Return where a picture lies on a frame: what `moved` takes.

    Edges are compared, not colors: paint has other colors than a photo (the enhanced correlation
    coefficient of Evangelidis and Psarakis, "Parametric Image Alignment Using Enhanced Correlation
    Coefficient Maximization", 2008, begun at the best of all whole pixels).

    Args:
        picture, frame: (1, 3, H, W), the picture of any size.
        name: of the picture, for errors.

    Returns:
        The picture at the frame's size, and by how many pixels (right, down) it must be moved.

    Raises:
        InputError: it has another aspect, is moved too far, or shows something else.
    """
    size = size_of(frame)
    height, width = size_of(picture)
    if abs(width * size[0] / (height * size[1]) - 1) > SAME_ASPECT:
        raise InputError(
            f"{name} is {width}x{height} and its frame {size[1]}x{size[0]}, of another aspect: "
            "crop it like the frame"
        )
    picture = resize(picture, size)
    scale = min(1.0, SEARCHED_SIDE / max(size))
    small = round(size[0] * scale), round(size[1] * scale)
    ours, theirs = (_edges(resize(image, small)) for image in (frame, picture))
    in_place = _correlation(ours, theirs)
    shift = _refined(ours, theirs, _coarse_shift(ours, theirs))
    found = _correlation(ours, _moved(theirs, shift))
    if max(in_place, found) < SHOWS:
        raise InputError(
            f"{name} does not show its frame: no edges of the one are in the other. Paint over "
            "that frame, or give another time"
        )
    x, y = (-part / scale for part in shift)
    if found < in_place + GAIN or max(abs(x), abs(y)) < FITS:
        return picture, (0.0, 0.0)
    if abs(x) > MOVED * size[1] or abs(y) > MOVED * size[0]:
        raise InputError(
            f"{name} does not show its frame in its place but {abs(x):.0f} pixels beside it across "
            f"and {abs(y):.0f} down: paint over that frame, with its borders, or give another time"
        )
    return picture, (x, y)


def moved(image: Tensor, shift: tuple[float, float]) -> Tensor:
    """Return an image (1, C, H, W) moved by so many pixels right and down; its edges repeat."""
    if shift == (0.0, 0.0):
        return image
    planes = [_moved(plane, (-shift[0], -shift[1])) for plane in image[0].numpy()]
    return torch.from_numpy(np.stack(planes))[None].clamp(0, 1)


def _edges(image: Tensor) -> np.ndarray:
    """Return how steep the lightness of an image (1, 3, H, W) is for its place, (H, W)."""
    levels = cv2.GaussianBlur(luminance(image)[0, 0].numpy(), (0, 0), 1.5)
    dx, dy = (cv2.Sobel(levels, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    edges = cv2.magnitude(dx, dy)
    # That there is more to see in one half than in the other says little.
    edges = edges - cv2.GaussianBlur(edges, (0, 0), SURROUNDINGS)
    deviation = np.sqrt(cv2.GaussianBlur(edges**2, (0, 0), SURROUNDINGS))
    return edges / (deviation + 0.1 * float(deviation.max()) + 1e-6)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).sum() / max(float(np.sqrt((one**2).sum() * (other**2).sum())), 1e-6))


def _coarse_shift(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """Return the shift (x, y), in whole pixels, at which the middle of ours is found in theirs."""
    margins = [round(side * SEARCHED) for side in ours.shape]
    middle = ours[margins[0] : -margins[0] or None, margins[1] : -margins[1] or None]
    *_, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(theirs, middle, cv2.TM_CCOEFF_NORMED))
    return float(x - margins[1]), float(y - margins[0])


def _refined(
    ours: np.ndarray, theirs: np.ndarray, shift: tuple[float, float]
) -> tuple[float, float]:
    """Return the shift (x, y) at which theirs fits ours, to a fraction of a pixel."""
    matrix = _matrix(shift)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-4)
    try:
        matrix = cv2.findTransformECC(ours, theirs, matrix, cv2.MOTION_TRANSLATION, stop)[1]
    except cv2.error:  # it has not converged
        return shift
    return float(matrix[0, 2]), float(matrix[1, 2])


def _moved(plane: np.ndarray, shift: tuple[float, float]) -> np.ndarray:
    """Return (H, W) whose pixel (x, y) is that at (x, y) + shift."""
    matrix = _matrix(shift)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        plane, matrix, plane.shape[::-1], flags=how, borderMode=cv2.BORDER_REPLICATE
    )


def _matrix(shift: tuple[float, float]) -> np.ndarray:
    return np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
