"""Unseen pictures as styles: ours beside Magenta's arbitrary stylization, both in one pass.

    pip install onnxruntime
    python -m benchmarks.any_style --style-dir unseen --content-dir photos --sheet sheet.png

Of Magenta's pair of nets (Ghiasi et al. 2017, see `peer_nets.py`) one turns a style's middle square
at 256x256 into 100 numbers, with which the other paints 384x384. Ours gets the same squares.
Distances are relative (`nst.losses`), medians over all pairs: the style's over the Gram matrices of
relu1_1 to relu4_1 against the style's square at 256, the content's over relu3_1. "Photos" are the
photos themselves. Times are for 384x384, each the best of its rounds; the nets take turns, each
after a pause, since threads that have done their work keep a core busy for a while. "Code" is what
a style costs once, on four of the photos, as style_transfer.py takes of a folder. "Learned" is our
default: the fast net learns the style, timed once. "Tuned" is --checkpoint any_style, "predicted"
that with --refine-steps 0.
"""

import argparse
import time
from copy import deepcopy
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from benchmarks.peer_nets import SIDE, STYLE_SIDE, Magenta
from benchmarks.stylize import best
from nst.core.device import choose_dtype
from nst.core.tensors import resize
from nst.losses.metrics import ssim
from nst.losses.perceptual import content_loss, gram_matrix, style_loss
from nst.media.folders import list_pictures
from nst.media.images import center_crop, read_picture, save_image
from nst.models.checkpoint import load_checkpoint
from nst.models.vgg import VGGFeatures
from nst.models.weights import load_vgg19
from nst.motion.grain import grain
from nst.options.shared import STYLE_LAYERS
from nst.styles.codes import REFERENCE_SIDE
from nst.styles.tuning import tuner_of
from nst.stylize.forward import stylize

# Seconds between two nets, and how often each then does what is timed.
PAUSE, IN_A_ROW = 0.3, {"code": 1, "paint": 10}
CONTENT_LAYERS = ("relu3_1",)


class Ours:
    """A checkpoint of ours; codes are predicted and tuned, or learned, on some of the photos."""

    def __init__(self, name: str, photos: list[Tensor], steps: int | None = None) -> None:
        self.checkpoint = checkpoint = load_checkpoint(name)
        self.dtype = choose_dtype("auto", torch.device("cpu"))
        self.net = deepcopy(checkpoint.net).to(self.dtype)
        self.grain = grain((SIDE, SIDE)).mul_(checkpoint.grain) if checkpoint.grain else None
        samples = photos[:: -(-len(photos) // 4)]
        # A picture that is learned is looked at as it is, as one that is predicted: at scale 1.
        scale = REFERENCE_SIDE / SIDE
        self.tune = tuner_of(
            checkpoint, checkpoint.net, lambda: samples, steps, style_scale=scale
        )  # fmt: skip

    @torch.enable_grad()
    def code(self, style: Tensor) -> Tensor:
        encoder = self.checkpoint.encoder
        if encoder is None:
            return self.tune(style, self.checkpoint.learnable().middle)
        code = encoder(style)
        return self.tune(style, code) if self.tune else code

    def paint(self, photo: Tensor, code: Tensor) -> Tensor:
        detail = self.checkpoint.detail
        return stylize(self.net, photo, code, self.dtype, grain=self.grain, detail=detail)


@torch.no_grad()
def measure(painter, vgg: VGGFeatures, photos: list[Tensor], styles: list[Tensor]) -> tuple:
    """Return the medians of style distance, content distance and SSIM over all pairs."""
    contents = [vgg(photo, CONTENT_LAYERS) for photo in photos]
    found = []
    for style in styles:
        grams = {layer: gram_matrix(x) for layer, x in vgg(style, STYLE_LAYERS).items()}
        code = painter.code(style) if painter else None
        for photo, content in zip(photos, contents, strict=True):
            painted = painter.paint(photo, code) if painter else photo
            features = vgg(painted, STYLE_LAYERS)
            row = (style_loss(features, grams), content_loss(features, content))
            found.append((*(term.item() for term in row), ssim(painted, photo)))
    return tuple(median(column) for column in zip(*found, strict=True))


def save_sheet(path: Path, painter, photos: list[Tensor], styles: list[Tensor], side: int) -> None:
    """Write a picture: a row a photo, a column a style, the styles above and the photos beside."""

    def row(images: list[Tensor]) -> Tensor:
        return torch.cat([resize(image, (side, side)) for image in images], 3)

    codes = [painter.code(style) for style in styles]
    rows = [row([torch.ones(1, 3, side, side), *styles])]
    for photo in photos:
        rows.append(row([photo, *(painter.paint(photo, code) for code in codes)]))
    save_image(torch.cat(rows, 2), path)


def main() -> None:
    """Print the table and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--style-dir", type=Path, required=True, help="pictures not trained on")
    parser.add_argument("--content-dir", type=Path, required=True)
    parser.add_argument("--checkpoint", default="any_style", help="one that predicts styles")
    parser.add_argument("--learning-steps", type=int, help="in place of the default's")
    parser.add_argument("--photos", type=int, default=8, help="spread over --content-dir")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--sheet", type=Path, help="picture of 12 styles by 4 photos to write")
    options = parser.parse_args()
    files = list_pictures(options.content_dir)
    files = [files[(2 * i + 1) * len(files) // (2 * options.photos)] for i in range(options.photos)]
    photos = [center_crop(read_picture(file), SIDE) for file in files]
    paths = list_pictures(options.style_dir)
    styles = [center_crop(read_picture(path), STYLE_SIDE) for path in paths]
    ours = Ours("fast", photos, options.learning_steps)
    if options.sheet:
        count = min(12, len(styles))
        chosen = [styles[i * len(styles) // count] for i in range(count)]
        save_sheet(options.sheet, ours, photos[:4], chosen, 144)
    vgg = VGGFeatures(load_vgg19(None))
    painters = {"photos": None, "Magenta": Magenta(), "learned": ours}
    painters["tuned"] = Ours(options.checkpoint, photos)
    painters["predicted"] = Ours(options.checkpoint, photos, 0)
    rows = {name: measure(painter, vgg, photos, styles) for name, painter in painters.items()}
    calls = {}
    for name, painter in list(painters.items())[1:]:
        code = painter.code(styles[0])
        calls[name, "code"] = lambda painter=painter: painter.code(styles[0])
        calls[name, "paint"] = lambda painter=painter, code=code: painter.paint(photos[0], code)
    times = {name: float("inf") for name in calls}
    for number in range(options.rounds):
        for name, call in calls.items():
            if name == ("learned", "code") and number:
                continue
            time.sleep(PAUSE)
            times[name] = min(times[name], *best({name: call}, IN_A_ROW[name[1]]).values())
    print(f"{len(styles)} styles by {len(photos)} photos, threads {torch.get_num_threads()}")
    print("              style  content   SSIM  paint ms  code ms")
    for name, values in rows.items():
        line = f"{name:10}" + "".join(f"{value:9.3f}" for value in values)
        if painters[name]:
            line += "".join(f"{times[name, part] * 1e3:9.1f}" for part in ("paint", "code"))
        print(line)


if __name__ == "__main__":
    main()
