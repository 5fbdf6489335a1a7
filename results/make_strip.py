"""Make results/strip.jpg, the first picture of README.

    python results/make_strip.py

In two rows: a photo, then three times a style picture and the photo in that style, by the
quality net. Photos: Eileen Collins (NASA) and Chelsea the cat (Stefan van der Walt, CC0), from
scikit-image.
"""

from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from skimage import data

from nst.checkpoint import load_checkpoint
from nst.image_io import read_picture, save_image
from nst.one_pass import stylize
from nst.styles import style_code
from nst.tensors import to_float

SIDE = 256
ROWS = (
    (data.astronaut()[:400, 40:440], ("starry_night", "reverie", "rose_window")),
    (data.chelsea()[:300, 75:375], ("great_wave", "the_kiss", "composition_vii")),
)


def square(picture: Image.Image) -> torch.Tensor:
    """Return the middle of a picture as an image (1, 3, SIDE, SIDE)."""
    return to_float(np.array(ImageOps.fit(picture.convert("RGB"), (SIDE, SIDE))))


def main() -> None:
    """Write the strip."""
    checkpoint, rows = load_checkpoint("quality"), []
    for photo, styles in ROWS:
        content = square(Image.fromarray(photo))
        row = [content]
        for style in styles:
            painted = stylize(checkpoint.net, content, style_code(checkpoint, style), torch.float32)
            row += [square(read_picture(BytesIO(checkpoint.pictures[style]))), painted]
        rows.append(torch.cat(row, 3))
    save_image(torch.cat(rows, 2), Path(__file__).with_name("strip.jpg"))


if __name__ == "__main__":
    main()
