"""Make results/strip.jpg and results/styles.jpg, the pictures of README.

    python results/make_pictures.py --style-dir styles

The strip, in two rows: a photo, then three times a style picture and the photo in that style. The
sheet: two photos in every style of the quality net, then of the fast one. Photos: Eileen Collins
(NASA) and Chelsea the cat (Stefan van der Walt, CC0), from scikit-image.
"""

import argparse
from pathlib import Path

import torch
from skimage import data

from nst.checkpoint import IDENTITY, load_checkpoint
from nst.image_io import load_image, save_image
from nst.one_pass import stylize
from nst.styles import style_code
from nst.tensors import resize, to_float

HERE = Path(__file__).parent
SIDE = 256


def cut(picture: torch.Tensor, left: int, top: int, side: int) -> torch.Tensor:
    """Cut a square out of a picture and resize it to SIDE pixels."""
    return resize(picture[..., top : top + side, left : left + side], (SIDE, SIDE))


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--style-dir", type=Path, required=True, help="the six style pictures")
    folder = parser.parse_args().style_dir
    photos = [
        cut(to_float(data.astronaut()), 40, 0, 400),
        cut(to_float(data.chelsea()), 75, 0, 300),
    ]
    painted = {}
    for name in ("quality", "fast"):
        checkpoint = load_checkpoint(name)
        styles = [style for style in checkpoint.styles if style != IDENTITY]
        for i, content in enumerate(photos):
            for style in styles:
                code = style_code(checkpoint, style)
                result = stylize(checkpoint.net, content, code, torch.float32)
                painted[name, i, style] = result
    rows = [
        [photos[i], *(painted[name, i, style] for style in styles)]
        for name in ("quality", "fast")
        for i in range(2)
    ]
    save_image(torch.cat([torch.cat(row, 3) for row in rows], 2), HERE / "styles.jpg")
    rows = []
    for i, content in enumerate(photos):
        row = [content]
        for style in styles[i::2][:3]:
            picture = load_image(next(folder.glob(f"{style}.*")))
            row += [cut(picture, 0, 0, min(picture.shape[-2:])), painted["quality", i, style]]
        rows.append(torch.cat(row, 3))
    save_image(torch.cat(rows, 2), HERE / "strip.jpg")


if __name__ == "__main__":
    main()
