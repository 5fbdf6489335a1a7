"""Make results/optimized.jpg: photos, paintings, and the photos optimized in their style.

    python -m results.make_optimized --style-dir styles

With each result goes the JSON that style_transfer.py writes. Photos: Eileen Collins (NASA) and
Chelsea the cat (Stefan van der Walt, CC0), from scikit-image.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import torch
from PIL import Image
from skimage import data

from nst.core.tensors import resize
from nst.media.images import load_image, save_image
from results.make_page import smaller

HERE = Path(__file__).parent
SIDE, STEPS = 320, 60
PAIRS = (
    ("astronaut", "munch_the_scream"),
    ("cat", "hokusai_great_wave"),
    ("cat", "klimt_the_kiss"),
)


def main() -> None:
    """Optimize each pair and put the sheet together."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--style-dir", type=Path, required=True)
    parser.add_argument("--size", type=int, default=SIDE)
    args = parser.parse_args()
    photos = {"astronaut": data.astronaut()[:400, 40:440], "cat": data.chelsea()[:300, 75:375]}
    rows = []
    os.chdir(HERE.parent)  # the records name the files from there
    for photo, style in PAIRS:
        source, target = Path("results", f"{photo}.png"), Path("results", f"{photo}_{style}.jpg")
        Image.fromarray(photos[photo]).save(source)
        painting = next(args.style_dir.glob(f"{style}.*"))
        command = [sys.executable, "style_transfer.py", "--content-path", str(source)]
        command += ["--style-path", str(painting), "--output", str(target)]
        command += ["--long-side", str(args.size), "--steps", str(STEPS)]
        subprocess.run(command, check=True)
        picture = load_image(painting)
        side = min(picture.shape[-2:])
        row = [load_image(source), picture[..., :side, :side], load_image(target)]
        rows.append(torch.cat([resize(image, (SIDE, SIDE)) for image in row], 3))
        source.unlink()
    save_image(torch.cat(rows, 2), HERE / "optimized.jpg")
    smaller(HERE / "optimized.jpg")


if __name__ == "__main__":
    main()
