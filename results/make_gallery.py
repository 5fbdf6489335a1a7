"""Make results/gallery.jpg and results/brushes.jpg: every included style at a glance.

    python -m results.make_gallery

The first shows each painting beside a face, a street, a landscape and an animal in its style, the
second the landscape at three brush sizes. `--checkpoint` shows the styles of another net,
`--folder` puts the sheets elsewhere.
"""

import argparse
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from skimage import data
from torch import Tensor

import nst
from nst.core.tensors import to_float
from nst.media.images import save_image
from nst.media.sheet import framed, grid, tile
from results.make_page import smaller

HERE = Path(__file__).parent
PAINTED = (640, 480)  # pixels in which photos are painted
SHOWN, SMALL = (288, 216), (240, 180)  # and in which the two sheets show them
BRUSHES = (0.5, 1.0, 2.0)


def photos() -> list[np.ndarray]:
    """Return a face, a street, a landscape and an animal."""
    files = [Image.open(HERE / f"{name}.jpg") for name in ("city", "landscape")]
    face, cat = Image.fromarray(data.astronaut()[:330, 10:450]), Image.fromarray(data.chelsea())
    return [np.array(ImageOps.fit(photo, PAINTED)) for photo in (face, *files, cat)]


def shown(picture: Image.Image, size: tuple[int, int]) -> Tensor:
    """Return a picture cut to a size (width, height), as an image."""
    return to_float(np.array(ImageOps.fit(picture.convert("RGB"), size)))


def main() -> None:
    """Write both sheets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="fast")
    parser.add_argument("--folder", type=Path, default=HERE)
    given = parser.parse_args()
    net, contents = nst.load(given.checkpoint), photos()
    gallery, brushes = [], []
    for style in net.styles:
        pictures = [Image.open(BytesIO(net.checkpoint.pictures[style]))]
        pictures += [Image.fromarray(net.stylize(photo, style=style)) for photo in contents]
        gallery += [tile("" if i else style, [shown(p, SHOWN)]) for i, p in enumerate(pictures)]
        for scale in BRUSHES:
            painted = net.stylize(contents[2], style=style, style_scale=scale)
            text = f"{style} {scale:g}"
            brushes.append(tile(text, [shown(Image.fromarray(painted), SMALL)]))
    sheets = {"gallery": grid(gallery, 1 + len(contents)), "brushes": grid(brushes, 6)}
    for name, sheet in sheets.items():
        path = given.folder / f"{name}.jpg"
        save_image(framed(sheet), path)
        smaller(path, 80)


if __name__ == "__main__":
    main()
