"""The methods that `peers.py` sets side by side, and the work of the processes they run in.

A method's way is a function from a style picture's file, whose name is the style's, to what paints
an image (1, 3, H, W) in it. Ours paint a clip by `stylize_video`, the others one frame by one.
"""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from skimage import data
from torch import Tensor

from benchmarks.optimize import Textbook, textbook
from benchmarks.peer_nets import STYLE_SIDE, STYLES, AdaIN, Magenta, MagentaStyles
from benchmarks.plain_net import PlainNet
from nst.core.device import choose_dtype
from nst.core.tensors import fit, pad_to_multiple, resize, to_float, to_uint8
from nst.media.folders import list_pictures
from nst.media.frames import PaintedFrame
from nst.media.images import center_crop, read_picture
from nst.media.video_reader import open_video
from nst.models.checkpoint import ANY_STYLE, load_checkpoint
from nst.models.vgg import VGGFeatures
from nst.models.weights import load_vgg19
from nst.optimize.coarse_to_fine import Sources, optimize_image
from nst.options.optimize import OptimizeOptions
from nst.options.shared import STYLE_PICTURE_SIDE
from nst.options.stylize import VideoConfig
from nst.styles.codes import style_code
from nst.styles.pictures import load_style
from nst.styles.spec import parse_style
from nst.styles.tuning import tuner_of
from nst.stylize.forward import stylize
from nst.stylize.videos import one_pass_video

CPU = torch.device("cpu")
WARM_UP = 2  # frames of each clip that the clock leaves out
# What AdaIN's features of a photo in its own style may be wrong by. As published it is 0.22; other
# padding, colors or doublings give 0.24 to 0.5.
ADAIN_ERROR = 0.23
Paint = Callable[[Tensor], Tensor]
Way = Callable[[Path], Paint]


def magenta(style: Path) -> Paint:
    """Magenta's pair for any style."""
    nets = Magenta()
    return partial(nets.paint, code=nets.code(center_crop(read_picture(style), STYLE_SIDE)))


def magenta_styles(style: Path) -> Paint:
    """Magenta's net of 26 styles: nobody says which they are, so some of them, evenly spread."""
    pictures = list_pictures(style.parent)
    return partial(MagentaStyles().paint, style=pictures.index(style) * STYLES // len(pictures))


def adain(style: Path) -> Paint:
    """AdaIN in float32."""
    net = _checked_adain()
    return partial(net.paint, code=net.code(load_style(style, STYLE_PICTURE_SIDE)))


def johnson(style: Path) -> Paint:
    """Johnson's net as a textbook writes it, with the weights of our fast net."""
    checkpoint = load_checkpoint("fast")
    net = PlainNet(checkpoint.net, style_code(checkpoint, parse_style(style.stem))[0])

    @torch.inference_mode()
    def paint(image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        return net(pad_to_multiple(image, 4).contiguous())[..., :height, :width]

    return paint


def gatys(style: Path, steps: int) -> Paint:
    """L-BFGS as the tutorials write it, from the photo, down the loss of our optimized pictures."""
    vgg, options = VGGFeatures(load_vgg19()), OptimizeOptions()
    picture = load_style(style, STYLE_PICTURE_SIDE)

    def paint(image: Tensor) -> Tensor:
        shrunk = resize(picture, fit(picture.shape[-2:], max(image.shape)))
        way = textbook(Textbook(vgg, image, shrunk, options), image, torch.optim.LBFGS)
        return next(islice(way, steps - 1, None)).clamp(0, 1)

    return paint


def one_pass(style: Path, checkpoint: str) -> Paint:
    """Paint by our net, each picture alone."""
    loaded, dtype = load_checkpoint(checkpoint), choose_dtype("auto", CPU)
    net = deepcopy(loaded.net).to(dtype)

    def paint(image: Tensor) -> Tensor:
        tune = tuner_of(loaded, loaded.net, lambda: [image])
        code = style_code(loaded, parse_style(_called(style, checkpoint)), tune=tune)
        return stylize(net, image, code, dtype)

    return paint


def optimized(style: Path, steps: int) -> Paint:
    """`style_transfer.py --method optimize`."""
    vgg = VGGFeatures(load_vgg19()).to(CPU, choose_dtype("auto", CPU))
    options, picture = OptimizeOptions(steps=steps), load_style(style, STYLE_PICTURE_SIDE)

    def paint(image: Tensor) -> Tensor:
        for progress in optimize_image(Sources(image, [picture]), vgg, options, image):
            painted = progress.step.image
        return painted.clamp(0, 1)

    return paint


@dataclass(frozen=True)
class Method:
    """A line of the table.

    Args:
        way: for photos.
        clip: paints a clip.
        frames: so many of it; 0 leaves it out.
        named: it takes the style that it is given.
    """

    label: str
    way: Way
    clip: Callable
    frames: int
    named: bool = True


def all_methods(frames: int, gatys_frames: int, steps: int, our_steps: int) -> dict[str, Method]:
    """Return every method by its name.

    Args:
        frames: of the clip; `gatys_frames` of the textbook's run, which is slow.
        steps: of that run; `our_steps` of each scale of our optimized pictures.
    """

    def alone(label: str, way: Way, frames: int = frames, named: bool = True) -> Method:
        return Method(label, way, partial(paint_frames, way), frames, named)

    def ours(name: str) -> Method:
        way = partial(one_pass, checkpoint=name)
        return Method(f"ours, {name}", way, partial(stylize_frames, name), frames)

    return {
        "magenta": alone("Magenta, any style", magenta),
        "magenta26": alone("Magenta, 26 styles", magenta_styles, named=False),
        "adain": alone("AdaIN", adain),
        "johnson": alone("Johnson, textbook", johnson),
        "gatys": alone("Gatys, textbook", partial(gatys, steps=steps), gatys_frames),
        "any_style": ours("any_style"),
        "fast": ours("fast"),
        "optimize": alone("ours, optimize", partial(optimized, steps=our_steps), 0),
    }


def paint_photo(way: Way, style: Path, photo: np.ndarray) -> tuple[list[np.ndarray], float]:
    """Return a photo (H, W, 3) painted, as a clip of one frame, and the seconds that took."""
    paint, image = way(style), to_float(photo)
    begin = time.perf_counter()
    painted = paint(image)
    return [to_uint8(painted)], time.perf_counter() - begin


def paint_frames(
    way: Way, style: Path, clip: Path, long_side: int, count: int
) -> tuple[list[np.ndarray], float]:
    """Return the first `count` frames of a clip, painted one by one, and the seconds a frame."""
    paint, painted, times = way(style), [], []
    for image in read_frames(clip, long_side, count):
        begin = time.perf_counter()
        result = paint(image)
        times.append(time.perf_counter() - begin)
        painted.append(to_uint8(result))
    return painted, fmean(times[WARM_UP:] or times)


def stylize_frames(
    checkpoint: str, style: Path, clip: Path, long_side: int, count: int
) -> tuple[list[np.ndarray], float]:
    """Return the same as `paint_frames`, by `stylize_video` as it is by default."""
    painted: list[np.ndarray] = []
    times: list[float] = []

    def keep(frame: PaintedFrame) -> bool:
        times.append(time.perf_counter())
        painted.append(to_uint8(frame.result.image))
        return len(painted) < count

    config = VideoConfig(
        input_video=str(clip),
        checkpoint=checkpoint,
        style=_called(style, checkpoint),
        long_side=long_side,
        device="cpu",
    )
    one_pass_video(config, on_frame=keep)
    return painted, (times[-1] - times[WARM_UP - 1]) / (len(times) - WARM_UP)


def read_frames(clip: Path, long_side: int, count: int) -> Iterator[Tensor]:
    """Give the first `count` frames of a clip at the size at which all of them are painted."""
    with open_video(clip) as reader:
        size = fit(reader.info.size, long_side)
        for frame in islice(reader, count):
            yield resize(frame.image, size)


def peak_megabytes() -> float:
    """Return the most memory that this process ever held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


@cache
def _checked_adain() -> AdaIN:
    """Return the net when a photo in its own style comes back as itself, as near as it can."""
    net = AdaIN()
    error = net.error(resize(to_float(data.astronaut()), (256, 256)))
    if error > ADAIN_ERROR:
        raise RuntimeError(f"AdaIN is not as it was published: it loses {error:.2f} of a photo")
    return net


def _called(style: Path, checkpoint: str) -> str:
    return str(style) if checkpoint == ANY_STYLE else style.stem
