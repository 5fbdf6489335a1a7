"""How steady, how crisp and how stylized a net's videos are, alone and with the memory.

    python -m benchmarks.coherence --clips a.mp4 b.mp4 --styles FOLDER

For each clip and each style: frames alone, by the net before it was trained against flicker (with
`--before`); frames alone; and with the memory of earlier frames, as stylize_video.py does by
default. FOLDER has the style pictures, named as the styles. All in one run, timed turn by turn:
read the ratios of their frames/s.

The columns (see nst/losses/video_metrics.py):
  lag 1, lag 10   warping error, as a multiple of the clip's own
  VGG 1, VGG 10   the same of unit-length VGG-19 features, which is nearer to what the eye sees
  mean, cov       the style's relative errors: of the features' means (color, brightness) and of
                  their covariances (strokes), with the painting at --style-side pixels
  content, SSIM   distance from the clip, and likeness to it
  detail          energy of fine detail, as a multiple of that of frames alone
  ghost           weight of what covered it, on ground that was just uncovered; frames alone have 0
  f/s             frames a second

With `--true-flow FRAME ... FLOW.flo [OCCLUDED]` also the stability error e_stab along true flow
(from the last frame but one to the last; white in the picture OCCLUDED does not count), so that no
estimate of the motion judges itself.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from nst.core.device import choose_dtype, frame_workers
from nst.core.tensors import fit, resize
from nst.core.threads import in_background
from nst.losses.metrics import e_stab
from nst.losses.style_figures import StyleReference, style_reference
from nst.losses.video_metrics import Measurement
from nst.media.frames import Frame
from nst.media.images import load_image
from nst.media.video_reader import open_video
from nst.models.checkpoint import Checkpoint, load_checkpoint
from nst.models.vgg import VGGFeatures
from nst.models.weights import load_vgg19
from nst.motion.coherence import MotionTracker
from nst.motion.flow import FlowEstimator
from nst.motion.true_flow import read_flow
from nst.motion.warp import resize_flow
from nst.options.shared import STYLE_PICTURE_SIDE
from nst.options.stylize import VideoConfig
from nst.styles.codes import scale_at, style_code
from nst.styles.pictures import find_styles, load_style
from nst.styles.spec import parse_style
from nst.stylize.frames import followed, stylize_frames
from nst.stylize.paint import Paint

CPU = torch.device("cpu")
BLEND = VideoConfig.__dataclass_fields__["temporal_blend"].default
COLUMNS = "lag 1  lag 10   VGG 1  VGG 10    mean     cov content    SSIM  detail   ghost     f/s"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, nargs="*", default=[])
    parser.add_argument("--styles", type=Path, required=True)
    parser.add_argument("--only", nargs="+", help="names of the styles to take; none takes all")
    parser.add_argument("--long-side", type=int, default=432)
    parser.add_argument(
        "--style-side", type=int, default=STYLE_PICTURE_SIDE, help="painting's shorter side"
    )
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--flow", default="dis", choices=("dis", "raft"), help="to measure with")
    parser.add_argument("--before", help="checkpoint before it was trained against flicker")
    parser.add_argument("--checkpoint", default="fast")
    parser.add_argument("--blend", type=float, default=BLEND)
    parser.add_argument("--true-flow", type=Path, nargs="+", action="append", default=[])
    options = parser.parse_args()
    nets = {"before": load_checkpoint(options.before)} if options.before else {}
    nets["alone"] = nets["memory"] = load_checkpoint(options.checkpoint)
    ways = {
        name: Way(checkpoint, name == "memory", options.blend) for name, checkpoint in nets.items()
    }
    vgg = VGGFeatures(load_vgg19())
    styles = find_styles(options.styles, "identity")
    styles = {name: styles[name] for name in options.only or styles}
    rows = defaultdict(list)
    print(f"{'':40}{COLUMNS}")
    for clip in options.clips:
        frames = list(_frames(clip, options.long_side, options.frames))
        for style, file in styles.items():
            target = style_reference(vgg, [(load_style(file, options.style_side), 1.0)])
            for way, row in _rows(ways, style, frames, options.flow, vgg, target):
                rows[way].append(row)
                print(f"{clip.stem[:15]:16}{style[:15]:16}{way:8}{_text(row)}", flush=True)
    means = {way: tuple(map(fmean, zip(*rows[way], strict=True))) for way in rows}
    for way, row in means.items():
        print(f"{'mean':32}{way:8}{_text(row)}")
    if means:
        ratios = (x / y if y else 0 for x, y in zip(means["memory"], means["alone"], strict=True))
        print(f"{'memory / alone':40}" + "".join(f"{ratio:8.2f}" for ratio in ratios))
    for files in options.true_flow:
        for way, (error, own) in _true_flow(ways, styles, files, options.long_side).items():
            print(f"e_stab {files[0].stem[:25]:25}{way:8}{error:8.4f}, the clip's own {own:.4f}")


class Way:
    """A way to paint a clip.

    Args:
        memory: with that of earlier frames, at this blend.
    """

    def __init__(self, checkpoint: Checkpoint, memory: bool, blend: float):
        self.checkpoint, self.blend = checkpoint, blend if memory else 0.0
        self.dtype = choose_dtype("auto", CPU)

    def paint(self, frames: list[Frame], style: str) -> list[Tensor]:
        """Return the painted images."""
        size = tuple(frames[0].image.shape[-2:])
        scale = scale_at(self.checkpoint.scales, 1.0, size)
        code = style_code(self.checkpoint, parse_style(style), scale=scale)
        net, detail = self.checkpoint.net.to(self.dtype), self.checkpoint.detail
        paint = Paint(net, code, self.dtype, detail=detail)
        # Grain has to follow the motion even where nothing else does.
        wanted = self.blend or self.checkpoint.grain
        tracker = MotionTracker(FlowEstimator()) if wanted else None
        with (
            frame_workers(CPU, size, live=False) as workers,
            in_background(followed(frames, CPU, tracker, grain=self.checkpoint.grain)) as scenes,
        ):
            painted = stylize_frames(scenes, paint, self.blend, workers=workers)
            return [frame.result.image for frame in painted]


def _frames(clip: Path, long_side: int, count: int) -> Iterator[Frame]:
    with open_video(clip) as reader:
        size = fit(reader.info.size, min(long_side, max(reader.info.size)))
        for frame, _ in zip(reader, range(count), strict=False):
            yield Frame(resize(frame.image, size), frame.pts, frame.duration)


def _rows(
    ways: dict[str, Way],
    style: str,
    frames: list[Frame],
    flow: str,
    vgg: VGGFeatures,
    target: StyleReference,
) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Give each way's figures, in the order of `COLUMNS`."""
    alone: list[Tensor] = []
    for name, way in ways.items():
        begin = time.perf_counter()
        painted = way.paint(frames, style)
        seconds = time.perf_counter() - begin
        measurement = Measurement(FlowEstimator(flow), None, 1, vgg, target)
        alone = painted if name == "alone" else alone
        for images in zip(frames, painted, alone or painted, strict=True):
            measurement.add(images[0].image, *images[1:])
        figures = measurement.figures()
        beside = figures["beside_alone"]
        yield (
            name,
            (
                *(
                    figures[f"{kind}_ratio"].get(lag, float("nan"))
                    for kind in ("warping_error", "feature_warping_error")
                    for lag in ("1", "10")
                ),
                *(figures[f"style_{part}_error"] for part in ("mean", "covariance")),
                figures["content_distance"],
                figures["ssim"],
                beside["detail"],
                beside["ghost"],
                len(frames) / seconds,
            ),
        )


def _true_flow(
    ways: dict[str, Way], styles: dict[str, Path], files: list[Path], long_side: int
) -> dict[str, tuple[float, float]]:
    """Return each way's e_stab, averaged over the styles, and that of the frames themselves."""
    (flow_file,) = (file for file in files if file.suffix == ".flo")
    place = files.index(flow_file)
    images = [load_image(file) for file in files[:place]]
    size = fit(tuple(images[0].shape[-2:]), min(long_side, max(images[0].shape[-2:])))
    frames = [Frame(resize(image, size), t) for t, image in enumerate(images)]
    flow = resize_flow(read_flow(flow_file), size)
    seen = torch.ones_like(flow[:, :1])
    for file in files[place + 1 :]:
        seen = seen * (resize((load_image(file)[:, :1] < 0.5).float(), size) > 0.99)
    own = e_stab([frame.image for frame in frames[-2:]], [flow], [seen])
    errors = {
        name: fmean(e_stab(way.paint(frames, style)[-2:], [flow], [seen]) for style in styles)
        for name, way in ways.items()
    }
    return {name: (error, own) for name, error in errors.items()}


def _text(row) -> str:
    return "".join(f"{value:8.3f}" for value in row[:-1]) + f"{row[-1]:8.1f}"


if __name__ == "__main__":
    main()
