"""Make results/strip.jpg, the first picture of README.

    python -m results.make_strip

In two rows: a photo, then three times a style picture and the photo in that style, by the
fast net. Photos: Eileen Collins (NASA) and Chelsea the cat (Stefan van der Walt, CC0), from
scikit-image.
"""

import argparse
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from skimage import data

import nst
from nst.commands.list_styles import thumbnail
from nst.core.tensors import resize, size_of, to_float
from nst.media.images import read_picture, save_image
from results.make_page import smaller

PAINTED = 768  # pixels a side, shown at a third
ROWS = (
    (data.astronaut()[:400, 40:440], ("starry_night", "the_scream", "stables")),
    (data.chelsea()[:300, 75:375], ("great_wave", "la_rivolta", "composition_vii")),
)


def main() -> None:
    """Write the strip."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    net, rows = nst.load("fast"), []
    for photo, styles in ROWS:
        content = np.array(ImageOps.fit(Image.fromarray(photo), (PAINTED, PAINTED)))
        row = [thumbnail(Image.fromarray(photo))]
        for style in styles:
            painted = to_float(net.stylize(content, style=style))
            painting = thumbnail(read_picture(BytesIO(net.checkpoint.pictures[style])))
            row += [painting, resize(painted, size_of(painting))]
        rows.append(torch.cat(row, 3))
    path = Path(__file__).with_name("strip.jpg")
    save_image(torch.cat(rows, 2), path)
    smaller(path)


if __name__ == "__main__":
    main()
