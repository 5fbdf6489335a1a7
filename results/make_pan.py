"""Make results/pan.jpg: a contact sheet of a pan that uncovers new ground.

    python -m results.make_pan

Chelsea the cat (Stefan van der Walt, CC0, from scikit-image) moves right before a wall of bricks
that the camera pans left, so that what was behind the cat, and beyond the frame, comes into sight.
Above are frames, below what the fast net makes of them with temporal blending. A ghost would be
seen as a trace of the cat on the bricks to its left.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter
from skimage import data

from nst.commands.evaluate import Sheet
from nst.core.device import choose_dtype
from nst.core.tensors import to_float
from nst.media.frames import Frame
from nst.media.images import save_image
from nst.models.checkpoint import load_checkpoint
from nst.motion.coherence import MotionTracker
from nst.motion.flow import FlowEstimator
from nst.options.stylize import VideoConfig
from nst.styles.codes import style_code
from nst.styles.spec import parse_style
from nst.stylize.frames import followed, stylize_frames
from nst.stylize.paint import Paint
from results.make_page import smaller

SIZE = (240, 320)
FRAMES, CAT_STEP, WALL_STEP = 32, 4, 3  # pixels a frame
STYLE = "starry_night"


def frames():
    """Yield the frames, (H, W, 3)."""
    height, width = SIZE
    wall = Image.fromarray(data.brick()).convert("RGB").resize((512, 512))
    wall = Image.fromarray((np.asarray(wall) * np.array([1.0, 0.72, 0.6])).astype(np.uint8))
    cat = Image.fromarray(data.chelsea()).crop((90, 0, 390, 300)).resize((170, 170))
    cut = Image.new("L", cat.size)
    ImageDraw.Draw(cut).ellipse((8, 8, 162, 162), fill=255)
    cut = cut.filter(ImageFilter.GaussianBlur(1.5))
    for t in range(FRAMES):
        left = 20 + WALL_STEP * t
        frame = wall.crop((left, 60, left + width, 60 + height))
        frame.paste(cat, (10 + CAT_STEP * t, 40), cut)
        yield np.asarray(frame)


def main() -> None:
    """Paint the pan and write the sheet."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    blend = VideoConfig.temporal_blend
    checkpoint = load_checkpoint("fast")
    dtype = choose_dtype("auto", torch.device("cpu"))
    given = [Frame(to_float(frame.copy()), t) for t, frame in enumerate(frames())]
    code = style_code(checkpoint, parse_style(STYLE))
    scenes = followed(given, torch.device("cpu"), MotionTracker(FlowEstimator()))
    sheet = Sheet()
    painted = stylize_frames(scenes, Paint(checkpoint.net.to(dtype), code, dtype), blend)
    for frame, result in zip(given, painted, strict=True):
        sheet.add(frame.image, result.result.image)
    path = Path(__file__).with_name("pan.jpg")
    save_image(sheet.image(), path)
    smaller(path)


if __name__ == "__main__":
    main()
