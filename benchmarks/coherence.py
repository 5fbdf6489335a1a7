"""How steady and how stylized the shipped fast net's videos are, by training and by inference.

    python -m benchmarks.coherence --clips a.mp4 b.mp4 --styles FOLDER

For each clip and each style: (a) frames alone, by the net before it was trained against flicker;
(b) frames alone, by the net that is shipped; (c) that net with the last result mixed in along the
motion, as stylize_video.py does by default. FOLDER has the style pictures, named as the styles. All
in one run; the three are timed turn by turn, so read their ratios. Warping errors and distances are
explained in nst/metrics.py; "input" is the clip's own warping error, the floor.
"""

import argparse
import time
from collections import defaultdict
from pathlib import Path
from statistics import fmean

import torch

from nst.core.device import choose_dtype, frame_workers
from nst.core.tensors import fit, resize
from nst.core.threads import in_background
from nst.losses.video_metrics import Measurement, target_grams
from nst.media.video_reader import open_video
from nst.models.checkpoint import load_checkpoint
from nst.models.vgg import VGGFeatures
from nst.models.weights import load_vgg19
from nst.motion.coherence import MotionTracker
from nst.motion.flow import FlowEstimator
from nst.options.shared import STYLE_PICTURE_SIDE
from nst.options.stylize import VideoConfig
from nst.styles.codes import style_code
from nst.styles.pictures import find_styles, load_style
from nst.stylize.frames import Paint, followed, stylize_frames

CPU = torch.device("cpu")
BEFORE = Path(__file__).parent / "fast_before_steady.safetensors"
BLEND = VideoConfig.__dataclass_fields__["temporal_blend"].default
HEAD = "lag 1   lag 10   style  content   SSIM  frames/s"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, nargs="+", required=True)
    parser.add_argument("--styles", type=Path, required=True)
    parser.add_argument("--long-side", type=int, default=432)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--flow", default="dis", choices=("dis", "raft"), help="to measure with")
    parser.add_argument("--before", default=str(BEFORE), help="checkpoint of (a)")
    parser.add_argument("--checkpoint", default="fast", help="that of (b) and (c)")
    parser.add_argument("--blend", type=float, default=BLEND)
    options = parser.parse_args()
    dtype = choose_dtype("auto", CPU)
    vgg = VGGFeatures(load_vgg19())
    before, after = load_checkpoint(options.before), load_checkpoint(options.checkpoint)
    checkpoints = {"a": before, "b": after, "c": after}
    nets = {way: checkpoint.net.to(dtype) for way, checkpoint in checkpoints.items()}
    rows = defaultdict(list)
    for clip in options.clips:
        with open_video(clip) as reader:
            size = fit(reader.info.size, min(options.long_side, max(reader.info.size)))
            frames = [frame for frame, _ in zip(reader, range(options.frames), strict=False)]
        frames = [type(f)(resize(f.image, size), f.pts, f.duration) for f in frames]
        for style, file in find_styles(options.styles, "identity").items():
            picture = load_style(file, STYLE_PICTURE_SIDE)
            grams = target_grams(vgg, {style: picture}, {style: 1.0})
            for way in "abc":
                code = style_code(checkpoints[way], style)
                tracker = MotionTracker(FlowEstimator()) if way == "c" else None
                paint = Paint(nets[way], code, dtype)
                begin = time.perf_counter()
                with (
                    frame_workers(CPU, size, live=False) as workers,
                    in_background(followed(frames, CPU, tracker)) as scenes,
                ):
                    painted = list(stylize_frames(scenes, paint, options.blend, workers=workers))
                seconds = time.perf_counter() - begin
                measurement = Measurement(FlowEstimator(options.flow), None, 1, vgg, grams)
                for frame, result in zip(frames, painted, strict=True):
                    measurement.add(frame.image, result.image)
                figures = measurement.figures()
                row = (
                    *(figures["warping_error"][lag] for lag in ("1", "10")),
                    figures["style_distance"]["mean"],
                    figures["content_distance"],
                    figures["ssim"],
                    len(frames) / seconds,
                )
                rows[way].append(row)
                print(f"{clip.stem[:16]:17}{style[:16]:17}{way}  {_text(row)}", flush=True)
        floor = figures["input_warping_error"]
        print(f"{clip.stem[:16]:17}{'input':17}   {floor['1']:.4f}  {floor['10']:.4f}")
    print(f"\nmean over clips and styles             {HEAD}")
    means = {way: tuple(map(fmean, zip(*rows[way], strict=True))) for way in rows}
    for way, row in means.items():
        print(f"{way:37}{_text(row)}")
    for one, other in (("b", "a"), ("c", "a"), ("c", "b")):
        ratios = (x / y for x, y in zip(means[one], means[other], strict=True))
        print(f"{one + ' / ' + other:37}" + "".join(f"{r:8.2f}" for r in ratios))


def _text(row) -> str:
    return "".join(f"{value:8.4f}" for value in row[:2]) + "".join(f"{v:8.3f}" for v in row[2:])


if __name__ == "__main__":
    main()
