"""Pairs of painted pictures for somebody who does not know which tool made which.

    python -m benchmarks.blind --ours painted --theirs peers --originals photos \\
        --photos chelsea.jpg coach.jpg --pair starry_night=microast_starry_night --output blind

Each side of a pair is a folder of pictures with the photos' names. The sheets are numbered rows of
photo, A and B, in an order drawn by --seed. With --answers, a file of lines such as "7 B", it
counts instead how often ours was chosen.
"""

import argparse
import random
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor

from nst.core.tensors import to_float
from nst.media.images import save_image
from nst.media.sheet import framed, grid, tile

SIDE, ROWS = (420, 280), 6  # of a picture, in pixels; of a sheet


def options() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ours", type=Path, required=True, help="folder of our folders")
    parser.add_argument("--theirs", type=Path, required=True, help="folder of the others'")
    parser.add_argument("--originals", type=Path, required=True, help="folder of the photos")
    parser.add_argument("--photos", nargs="+", required=True, help="names of the photos")
    parser.add_argument("--pair", nargs="+", required=True, help="our folder=their folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True, help="folder of the sheets")
    parser.add_argument("--answers", type=Path, nargs="+", help="files of lines: number, A or B")
    return parser.parse_args()


def rows(given: argparse.Namespace) -> list[tuple[Path, list[tuple[str, Path]]]]:
    """Return for each row the photo and two (whose, file), all in the order that the seed draws."""
    drawn = random.Random(given.seed)
    found = []
    for pair in given.pair:
        ours, theirs = pair.split("=")
        for photo in given.photos:
            sides = [("ours", given.ours / ours / photo), ("theirs", given.theirs / theirs / photo)]
            drawn.shuffle(sides)
            found.append((given.originals / photo, sides))
    drawn.shuffle(found)
    return found


def row_tiles(number: int, files: list[Path]) -> list[Tensor]:
    """Return photo, A and B with their texts."""
    tiles = []
    for file, text in zip(files, ("photo", "A", "B"), strict=True):
        with Image.open(file) as picture:
            shown = ImageOps.fit(picture.convert("RGB"), SIDE)
        tiles.append(tile(f"{number} {text}", [to_float(np.array(shown))]))
    return tiles


def main() -> None:
    """Write the sheets, or count the answers."""
    given = options()
    drawn = rows(given)
    if not given.answers:
        given.output.mkdir(parents=True, exist_ok=True)
        for first in range(0, len(drawn), ROWS):
            tiles: list[Tensor] = []
            for number, (photo, sides) in enumerate(drawn[first : first + ROWS], first + 1):
                tiles += row_tiles(number, [photo, *(file for _, file in sides)])
            path = given.output / f"pairs_{first // ROWS + 1}.jpg"
            save_image(framed(grid(tiles, 3)), path)
        return
    for file in given.answers:
        lines = (line.split() for line in file.read_text().splitlines() if line.strip())
        chosen = {int(number): "AB".index(letter) for number, letter in lines}
        ours = [drawn[n - 1][1][side][0] == "ours" for n, side in sorted(chosen.items())]
        print(f"{file.name}: ours in {sum(ours)} of {len(ours)} ({sum(ours) / len(ours):.0%})")


if __name__ == "__main__":
    main()
