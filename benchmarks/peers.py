"""Side by side with the peers: the same photos and the same clip through each of them and ours.

    pip install onnxruntime
    python -m benchmarks.peers --sheet sheet.png

Each photo is painted in one style and the clip in every style; figures are means, explained in
nst/losses. The clip's warping errors are along its own optical flow, and
"input" is what nobody falls far below. Distances of style are by the Gram matrices that our nets
and the optimizers were made to match; AdaIN and Magenta's pair were made for any style.

Each method runs in a process of its own, whose most memory is printed, on the CPU. Frames a second
are for painting the clip, without its first frames; the methods take turns at each style, and the
best turn counts. Ours is as the scripts have it by default (precision auto, in the clip the last
result mixed in), with the reading of the clip; the others paint each frame by itself in float32, as
published: Magenta's pair always at 384 pixels. The optimizers' figure is photos a second.

Names for --only: magenta (its pair of nets for any style), magenta26 (its net of 26 styles; which
they are nobody says, so some are taken and no distance to a style is given), adain, johnson (with
our fast net's weights), gatys, and ours: any_style, fast, optimize.
"""

import multiprocessing
import os
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import cycle, islice
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as stylize_video.py sets it

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from tqdm import tqdm

from benchmarks.peer_methods import (
    CPU,
    WARM_UP,
    Method,
    all_methods,
    paint_photo,
    peak_megabytes,
    read_frames,
)
from nst.commands.run import run
from nst.core.device import choose_dtype, dtype_name
from nst.core.files import check_place
from nst.core.tensors import fit, resize, to_float, to_uint8
from nst.errors import InputError
from nst.losses.style_figures import style_reference
from nst.losses.video_metrics import Measurement
from nst.media.folders import list_pictures
from nst.media.images import (
    WRITABLE,
    center_crop,
    load_image,
    read_picture,
    save_image,
)
from nst.media.video_reader import open_video
from nst.models.checkpoint import IDENTITY, load_checkpoint
from nst.models.vgg import VGGFeatures
from nst.models.weights import load_vgg19
from nst.motion.flow import FlowEstimator
from nst.options.field import Checked, option
from nst.options.shared import STYLE_PICTURE_SIDE
from nst.styles.pictures import find_styles, load_style

SAMPLE = Path(__file__).parents[1] / "results" / "sample.mp4"
PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")  # of scikit-image: public domain, CC0
TILE = 192
LOOK_EVERY = 8  # frames of the clip from one look with VGG-19 to the next
COLUMNS = (
    *("photo style", "photo content", "photo SSIM"),
    *("clip style", "clip content", "clip SSIM", "clip lag 1", "clip lag 10"),
)


@dataclass(frozen=True)
class PeersConfig(Checked):
    """Options of `python -m benchmarks.peers`."""

    content: tuple[Path, ...] = option(
        (), help="photos, or folders of them; none takes four of scikit-image's"
    )
    style_dir: Path | None = option(
        None, help="style pictures named as our styles; none takes the fast net's small copies"
    )
    style: tuple[str, ...] = option((), help="names of styles; none takes all")
    clip: Path | None = option(
        None, help="video, GIF or folder of frames; none takes results/sample.mp4"
    )
    frames: int = option(32, help="of the clip", low=WARM_UP + 2)
    size: int = option(640, help="longer side at which all is painted, at the most", low=64)
    only: tuple[str, ...] = option((), help="methods to run; none runs all")
    steps: int = option(300, help="of the textbook's L-BFGS", low=1)
    our_steps: int = option(100, help="of each scale of our optimized pictures", low=1)
    gatys_frames: int = option(0, help="paint the clip's first frames by L-BFGS too", low=0)
    flow: str = option("dis", help="what finds the clip's motion", choices=("dis", "raft"))
    sheet: Path | None = option(None, help="picture of all results to write")


def choose_methods(config: PeersConfig) -> dict[str, Method]:
    """Return the methods to run, by their names.

    Raises:
        InputError: --only names another.
    """
    found = all_methods(config.frames, config.gatys_frames, config.steps, config.our_steps)
    if unknown := set(config.only) - set(found):
        raise InputError(f"--only has {min(unknown)!r}; there are {', '.join(found)}")
    return {name: m for name, m in found.items() if not config.only or name in config.only}


def find_photos(config: PeersConfig) -> list[np.ndarray]:
    """Return the photos (H, W, 3) at the size at which they are painted."""
    if config.content:
        folders = (list_pictures(path) if path.is_dir() else [path] for path in config.content)
        images = [load_image(path) for paths in folders for path in paths]
    else:
        from skimage import data

        images = [to_float(getattr(data, name)()) for name in PHOTOS]
    sizes = [fit(image.shape[-2:], min(config.size, max(image.shape[-2:]))) for image in images]
    return [to_uint8(resize(image, size)) for image, size in zip(images, sizes, strict=True)]


def find_pictures(config: PeersConfig, folder: Path) -> dict[str, Path]:
    """Return {style: its picture}; our checkpoint's small copies are put into `folder`.

    Raises:
        InputError: --style names another.
    """
    if config.style_dir is None:
        for name, file in load_checkpoint("fast").pictures.items():
            (folder / f"{name}.jpg").write_bytes(file)
    found = find_styles(config.style_dir or folder, IDENTITY)
    if unknown := set(config.style) - set(found):
        raise InputError(f"--style has {min(unknown)!r}; there are {', '.join(found)}")
    return {name: path for name, path in found.items() if not config.style or name in config.style}


@dataclass(frozen=True)
class Turn:
    """A photo or the clip in one style, for each method by its name to paint in its process."""

    part: str
    style: str
    originals: list[Tensor]
    works: dict[str, tuple]


def plan_turns(
    methods: dict[str, Method],
    photos: list[np.ndarray],
    pictures: dict[str, Path],
    clip: Path,
    frames: list[Tensor],
) -> list[Turn]:
    """Return each photo in a style, as many as there are of either, then the clip in each style."""
    turns = []
    count = max(len(photos), len(pictures))
    for photo, style in islice(zip(cycle(photos), cycle(pictures), strict=False), count):
        works = {name: (paint_photo, m.way, pictures[style], photo) for name, m in methods.items()}
        turns.append(Turn("photo", style, [to_float(photo)], works))
    side = max(frames[0].shape)
    clips = {name: method for name, method in methods.items() if method.frames}
    for style, picture in pictures.items():
        works = {name: (m.clip, picture, clip, side, m.frames) for name, m in clips.items()}
        turns.append(Turn("clip", style, frames, works))
    return turns


class Comparison:
    """What is found of each method: `figures[name, column]` has a number for each thing painted.

    Args:
        pictures: style's name -> its picture.
    """

    def __init__(self, pictures: dict[str, Path], flow: str):
        self.flow, self.vgg, self.styles = flow, VGGFeatures(load_vgg19()), {}
        for name, path in pictures.items():
            picture = load_style(path, STYLE_PICTURE_SIDE)
            self.styles[name] = style_reference(self.vgg, [(picture, 1.0)])
        self.figures: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.tiles: dict[str, list[np.ndarray]] = defaultdict(list)

    def add(self, name: str, turn: Turn, painted: list[np.ndarray], seconds: float = 0.0) -> None:
        """Measure what a method painted, and keep how long it took."""
        flow, style = FlowEstimator(self.flow), self.styles[turn.style]
        measurement = Measurement(flow, None, 1, self.vgg, style, LOOK_EVERY)
        for original, result in zip(turn.originals, painted, strict=False):
            measurement.add(original, to_float(result))
        figures = measurement.figures()
        found = {
            "style": figures["style_gram_error"],
            "content": figures["content_distance"],
            "SSIM": figures["ssim"],
            "seconds": seconds,
        }
        found |= {f"lag {lag}": error for lag, error in figures["warping_error"].items()}
        for column, value in found.items():
            self.figures[name, f"{turn.part} {column}"].append(value)
        self.tiles[name].append(painted[-1])

    def row(self, name: str, method: Method | None) -> str:
        """Return a method's line of the table; None is for the input itself."""
        cells = []
        for column in COLUMNS:
            values = self.figures.get((name, column))
            if column.endswith("style") and method and not method.named:
                values = None
            digits = 4 if "lag" in column else 3
            cells.append(f"{fmean(values):8.{digits}f}" if values else f"{'-':>8}")
        turns = self.figures.get((name, "clip seconds"))
        seconds = min(turns) if turns else fmean(self.figures[name, "photo seconds"])
        cells.append(f"{1 / seconds:10.3g}" if seconds else f"{'-':>10}")
        return f"{method.label if method else name:20}" + "".join(cells)


def compare(config: PeersConfig) -> str:
    """Run all methods, write the sheet and return the table."""
    if config.sheet:
        check_place(config.sheet, "--sheet", WRITABLE)
    methods, photos, clip = choose_methods(config), find_photos(config), config.clip or SAMPLE
    with open_video(clip) as reader:
        side = min(config.size, max(reader.info.size))
    with ExitStack() as stack:
        pictures = find_pictures(config, Path(stack.enter_context(TemporaryDirectory())))
        pools = {name: stack.enter_context(_process()) for name in methods}
        # They begin before this process grows: its size would count as theirs.
        idle = min(_each(pools, peak_megabytes).values())
        frames = list(read_frames(clip, side, config.frames))
        turns = plan_turns(methods, photos, pictures, clip, frames)
        comparison = Comparison(pictures, config.flow)
        bar = tqdm(desc="painting", total=sum(len(turn.works) for turn in turns), unit="work")
        for turn in turns:
            unpainted = [to_uint8(image) for image in turn.originals]
            comparison.add("input", turn, unpainted)
            for name, work in turn.works.items():
                comparison.add(name, turn, *pools[name].submit(*work).result())
                bar.update()
        bar.close()
        peaks = _each(pools, peak_megabytes)
        if config.sheet:
            rows = {"style": [np.asarray(read_picture(pictures[turn.style])) for turn in turns]}
            rows["input"] = comparison.tiles["input"]
            rows |= {method.label: comparison.tiles[name] for name, method in methods.items()}
            save_image(draw_sheet(rows), config.sheet)
    height, width = frames[0].shape[-2:]
    lines = [
        _versions(),
        f"{len(turns) - len(pictures)} photos in a style each; {len(frames)} frames at "
        f"{width}x{height} in each of {len(pictures)} styles, flow by {config.flow.upper()}",
        f"MB: the most memory, {idle:.0f} of it for PyTorch and the like in each",
        "",
        f"{'':20}{'photos':>8}{'clip':>24}",
        f"{'':20}" + "".join(f"{c.split(' ', 1)[1]:>8}" for c in COLUMNS) + "  frames/s    MB",
        comparison.row("input", None),
    ]
    lines += [f"{comparison.row(name, m)}{peaks[name]:6.0f}" for name, m in methods.items()]
    return "\n".join(lines)


def draw_sheet(rows: dict[str, list[np.ndarray]]) -> Tensor:
    """Return a contact sheet (1, 3, H, W): a row for each label, of the middles of its pictures."""
    width = max(map(len, rows.values())) + 1
    sheet = Image.new("RGB", (TILE * width, TILE * len(rows)), "white")
    draw = ImageDraw.Draw(sheet)
    for j, (label, pictures) in enumerate(rows.items()):
        draw.text((8, TILE * j + TILE // 2), label, "black", font_size=18)
        for i, picture in enumerate(pictures, 1):
            tile = to_uint8(center_crop(Image.fromarray(picture), TILE))
            sheet.paste(Image.fromarray(tile), (TILE * i, TILE * j))
    return to_float(np.array(sheet))


def _process() -> ProcessPoolExecutor:
    """Return a process of its own, that begins afresh."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


def _each(pools: dict[str, ProcessPoolExecutor], work: Callable) -> dict:
    futures = {name: pool.submit(work) for name, pool in pools.items()}
    return {name: future.result() for name, future in futures.items()}


def _versions() -> str:
    found = [f"threads {torch.get_num_threads()}, PyTorch {torch.__version__}"]
    try:
        found.append(f"onnxruntime {version('onnxruntime')}")
    except PackageNotFoundError:
        pass  # none was run that needs it
    dtype = dtype_name(choose_dtype("auto", CPU))
    return ", ".join(found) + f"; precision auto takes {dtype} here"


if __name__ == "__main__":
    raise SystemExit(run(compare, PeersConfig, description=__doc__))
