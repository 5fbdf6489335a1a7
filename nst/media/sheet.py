"""Sheets of many pictures, each with a line of text above it."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from nst.core.tensors import to_float

MARGIN, LINE_HEIGHT, LETTERS = 4, 26, 17  # in pixels


def text_line(text: str, width: int) -> Tensor:
    """Return a line of text, black on white, as an image (1, 3, `LINE_HEIGHT`, width)."""
    strip = Image.new("RGB", (width, LINE_HEIGHT), "white")
    font = ImageFont.load_default(LETTERS)
    ImageDraw.Draw(strip).text((MARGIN, LINE_HEIGHT // 2), text, "black", font, anchor="lm")
    return to_float(np.array(strip))


def tile(text: str, images: Sequence[Tensor]) -> Tensor:
    """Return images (1, 3, H, W) of one width below each other, a line of text above them."""
    parts = [text_line(text, images[0].shape[3]), *images]
    return torch.cat([F.pad(part, (0, MARGIN, 0, MARGIN), value=1.0) for part in parts], 2)


def grid(tiles: Sequence[Tensor], columns: int) -> Tensor:
    """Return tiles (1, 3, H, W) of one size in rows of so many, on white."""
    rows = [torch.cat(list(tiles[i : i + columns]), 3) for i in range(0, len(tiles), columns)]
    return stacked(rows)


def stacked(parts: Sequence[Tensor]) -> Tensor:
    """Return images below each other, from the left, on white."""
    width = max(part.shape[3] for part in parts)
    return torch.cat([F.pad(p, (0, width - p.shape[3], 0, 0), value=1.0) for p in parts], 2)


def framed(sheet: Tensor) -> Tensor:
    """Return a sheet of tiles with the margin that they lack, on the left and below."""
    return F.pad(sheet, (MARGIN, 0, 0, MARGIN), value=1.0)
