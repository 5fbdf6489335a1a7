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

from nst.commands.list_styles import thumbnail
from nst.core.tensors import resize, size_of, to_float
from nst.media.images import read_picture, save_image
from nst.models.checkpoint import load_checkpoint
from nst.styles.codes import scale_at, style_code
from nst.styles.spec import parse_style
from nst.stylize.forward import stylize
from results.make_page import smaller

PAINTED = 768  # pixels a side, shown at a third
ROWS = (
    (data.astronaut()[:400, 40:440], ("starry_night", "the_scream", "stables")),
    (data.chelsea()[:300, 75:375], ("great_wave", "the_kiss", "composition_vii")),
)


def main() -> None:
    """Write the strip."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    checkpoint, rows = load_checkpoint("fast"), []
    for photo, styles in ROWS:
        content = to_float(np.array(ImageOps.fit(Image.fromarray(photo), (PAINTED, PAINTED))))
        row = [thumbnail(Image.fromarray(photo))]
        for style in styles:
            scale = scale_at(checkpoint.scales, 1.0, (PAINTED, PAINTED))
            code = style_code(checkpoint, parse_style(style), scale=scale)
            painted = stylize(checkpoint.net, content, code, torch.float32)
            painting = thumbnail(read_picture(BytesIO(checkpoint.pictures[style])))
            row += [painting, resize(painted, size_of(painting))]
        rows.append(torch.cat(row, 3))
    path = Path(__file__).with_name("strip.jpg")
    save_image(torch.cat(rows, 2), path)
    smaller(path)


if __name__ == "__main__":
    main()
