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
from PIL import Image, ImageDraw, ImageFont, ImageOps
from skimage import data

import nst

HERE = Path(__file__).parent
PAINTED = (640, 480)  # pixels in which photos are painted
SHOWN, SMALL = (288, 216), (240, 180)  # and in which the two sheets show them
BRUSHES = (0.5, 1.0, 2.0)
GAP, LETTERS = 4, 15


def photos() -> list[Image.Image]:
    """Return a face, a street, a landscape and an animal."""
    files = [Image.open(HERE / f"{name}.jpg") for name in ("city", "landscape")]
    face = Image.fromarray(data.astronaut()[:330, 10:450])
    return [ImageOps.fit(p, PAINTED) for p in (face, *files, Image.fromarray(data.chelsea()))]


def labeled(picture: Image.Image, text: str, size: tuple[int, int]) -> Image.Image:
    """Return a picture cut to a size, with a word in its corner."""
    tile = ImageOps.fit(picture.convert("RGB"), size)
    draw, font = ImageDraw.Draw(tile), ImageFont.load_default(LETTERS)
    box = draw.textbbox((GAP, size[1] - GAP), text, font, anchor="ls")
    draw.rectangle((0, box[1] - GAP, box[2] + GAP, size[1]), "white")
    draw.text((GAP, size[1] - GAP), text, "black", font, anchor="ls")
    return tile


def sheet(rows: list[list[Image.Image]], path: Path) -> None:
    """Write rows of pictures of one size."""
    width, height = (side + GAP for side in rows[0][0].size)
    canvas = Image.new("RGB", (max(map(len, rows)) * width, len(rows) * height), "white")
    for i, row in enumerate(rows):
        for j, tile in enumerate(row):
            canvas.paste(tile, (j * width, i * height))
    canvas.save(path, quality=80, optimize=True)


def main() -> None:
    """Write both sheets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="fast")
    parser.add_argument("--folder", type=Path, default=HERE)
    given = parser.parse_args()
    net, contents = nst.load(given.checkpoint), photos()
    rows, brushes = [], []
    for style in net.styles:
        painting = Image.open(BytesIO(net.checkpoint.pictures[style]))
        row = [labeled(painting, style, SHOWN)]
        for photo in contents:
            painted = Image.fromarray(net.stylize(np.array(photo), style=style))
            row.append(ImageOps.fit(painted, SHOWN))
        rows.append(row)
        sizes = [
            Image.fromarray(net.stylize(np.array(contents[2]), style=style, style_scale=scale))
            for scale in BRUSHES
        ]
        texts = (f"{style} {scale:g}" for scale in BRUSHES)
        brushes.append([labeled(p, t, SMALL) for p, t in zip(sizes, texts, strict=True)])
    sheet(rows, given.folder / "gallery.jpg")
    half = -(-len(brushes) // 2)
    pairs = zip(brushes[:half], [*brushes[half:], []], strict=False)
    sheet([left + right for left, right in pairs], given.folder / "brushes.jpg")


if __name__ == "__main__":
    main()
