"""A video as a folder of numbered pictures: PNG or TIFF, of 8 or 16 bits, with alpha or without."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nst.errors import InputError

ENDINGS = {"png": ".png", "tiff": ".tif"}
DEPTHS = {"rgb24": 8, "rgba": 8, "rgb48": 16, "rgba64": 16}


class PictureWriter:
    """Pictures 000000 and on.

    Args:
        codec: png, the default, or tiff.
        pix_fmt: see `DEPTHS`; with or without `le` or `be` at its end. None is 8 bits.

    Raises:
        InputError: another codec or format.
    """

    holds_alpha = True

    def __init__(self, folder: Path, codec: str | None, pix_fmt: str | None) -> None:
        kind = (pix_fmt or "rgb24").removesuffix("le").removesuffix("be")
        if codec not in (None, *ENDINGS):
            raise InputError(f"codec {codec} cannot write a folder; give {' or '.join(ENDINGS)}")
        if kind not in DEPTHS:
            raise InputError(f"a folder has no {pix_fmt}; give {', '.join(DEPTHS)} as --pix-fmt")
        self.depth = DEPTHS[kind]
        self._folder, self._ending = folder, ENDINGS[codec or "png"]
        self._count = 0

    def write(self, array: np.ndarray, pts: int, duration: int) -> None:
        path = self._folder / f"{self._count:06d}{self._ending}"
        if self.depth == 8:
            options: dict[str, Any] = {"compress_level": 1} if self._ending == ".png" else {}
            Image.fromarray(array).save(path, **options)
        else:
            _save_deep(array, path)
        self._count += 1

    def finish(self, complete: bool) -> None:
        pass

    def abort(self) -> None:
        pass


def _save_deep(array: np.ndarray, path: Path) -> None:
    import cv2  # late: 8 bits do not need it

    swapped = array[..., [2, 1, 0, 3][: array.shape[2]]]
    done, data = cv2.imencode(path.suffix, np.ascontiguousarray(swapped))
    if not done:
        raise OSError(f"{path} cannot be encoded")
    path.write_bytes(data.tobytes())
