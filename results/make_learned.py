"""Make results/any_style.jpg: paintings that are not included, learned by the fast net.

    python -m results.make_learned --style-dir paintings

The folder has gauguin_self_portrait_yellow_christ_1890, werefkin_anthill_1916 and so on, see
`PAINTINGS`, all in the public domain. Each is learned on a face and on a cat, half a minute each.
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

PAINTED, SHOWN = 512, 256  # pixels a side
PAINTINGS = (
    "gauguin_self_portrait_yellow_christ_1890",
    "werefkin_anthill_1916",
    "heemskerck_bild_100_sailboats_1914",
    "vangogh_cafe_terrace_at_night_1888",
    "kandinsky_composition_viii_1923",
    "mucha_reverie_1897",
)
PHOTOS = (data.astronaut()[:400, 40:440], data.chelsea()[:300, 75:375])


def main() -> None:
    """Learn each painting on each photo and put the sheet together."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--style-dir", type=Path, required=True)
    given = parser.parse_args()
    net, pictures = nst.load("fast"), []
    for name in PAINTINGS:
        painting = found(given.style_dir, name)
        pictures.append(read_picture(painting))
        for photo in PHOTOS:
            content = ImageOps.fit(Image.fromarray(photo), (PAINTED, PAINTED))
            pictures.append(Image.fromarray(net.stylize(np.array(content), painting)))
    squares = [ImageOps.fit(each.convert("RGB"), (SHOWN, SHOWN)) for each in pictures]
    path = Path(__file__).with_name("any_style.jpg")
    save_image(grid([to_float(np.array(square)) for square in squares], 6), path)
    smaller(path)


if __name__ == "__main__":
    main()
