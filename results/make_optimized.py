"""Make results/optimized.jpg: photos, paintings, and the photos optimized in their style.

    python -m results.make_optimized --style-dir styles

Photos: Eileen Collins (NASA) and Chelsea the cat (Stefan van der Walt, CC0), from scikit-image.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from skimage import data

import nst
from nst.core.tensors import to_float
from nst.media.images import read_picture, save_image
from nst.media.sheet import grid
from results.make_page import found, smaller

SIDE, STEPS = 320, 60
ASTRONAUT, CAT = data.astronaut()[:400, 40:440], data.chelsea()[:300, 75:375]
PAIRS = ((ASTRONAUT, "munch_the_scream"), (CAT, "hokusai_great_wave"), (CAT, "klimt_the_kiss"))


def main() -> None:
    """Optimize each pair and put the sheet together."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--style-dir", type=Path, required=True)
    given = parser.parse_args()
    tiles = []
    for photo, style in PAIRS:
        painting = found(given.style_dir, style)
        painted = nst.optimize(photo, painting, long_side=SIDE, steps=STEPS)
        for picture in (Image.fromarray(photo), read_picture(painting), Image.fromarray(painted)):
            square = ImageOps.fit(picture.convert("RGB"), (SIDE, SIDE))
            tiles.append(to_float(np.array(square)))
    path = Path(__file__).with_name("optimized.jpg")
    save_image(grid(tiles, 3), path)
    smaller(path)


if __name__ == "__main__":
    main()
