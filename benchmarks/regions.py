"""How well a region is found and how steady its mask is, for each segmenter that can run here.

python -m benchmarks.regions --video clip.mp4 --masks clip_masks --region person

The masks are label pictures, white where the region is; they may be a little wider than it.
"""

import argparse
import tempfile
import time
import warnings
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from nst.api import run_video
from nst.core.device import choose_device, choose_dtype
from nst.media.video_reader import open_video
from nst.models.deeplab import LONG_SIDE, Segmenter
from nst.models.weights import DEEPLAB_FILES, find
from nst.motion.coherence import MotionTracker
from nst.motion.flow import FlowEstimator
from nst.motion.warp import resize_flow, warp
from nst.options.stylize import VideoConfig
from nst.regions.given import GivenMasks, video_streams
from nst.regions.segmented import SegmentedMasks
from nst.regions.spec import parse_regions

COLUMNS = "found  inside    IoU  steady  at look  between   ms/frame"


def load_clip(video: Path, masks: Path) -> tuple[list[Tensor], list[Tensor], list]:
    """Return the frames, their true masks (1, 1, H, W) and the motion into each."""
    tracker = MotionTracker(FlowEstimator())
    regions = parse_regions(("255=style",), None, own_masks=True)
    with open_video(video) as reader, ExitStack() as files:
        frames = [frame.image for frame in reader]
        truth = GivenMasks(regions, video_streams(regions, masks, reader.info.rate, 0, files), 0)
        true = [truth.follow(frame)[:, :1] for frame in frames]
    return frames, true, [tracker.follow(frame) for frame in frames]


def iou(a: Tensor, b: Tensor) -> float:
    """Return the intersection of two boolean masks over their union."""
    return float((a & b).sum() / (a | b).sum().clamp(min=1))


def measure(source: SegmentedMasks, frames, true, motions, steady: bool) -> str:
    """Return a line of the table."""
    found, inside, overlap, kept, seconds, before = [], [], [], {True: [], False: []}, 0.0, None
    for frame, truth, motion in zip(frames, true, motions, strict=True):
        begin = time.perf_counter()
        soft = source.follow(frame, motion if steady else None)[:, :1]
        seconds += time.perf_counter() - begin
        mask, truth = soft >= 0.5, truth >= 0.5
        found.append(iou(mask, truth) > 0.1)
        overlap.append(iou(mask, truth))
        if mask.any():
            inside.append(float((mask & truth).sum() / mask.sum()))
        if before is not None and motion is not None:
            flow = resize_flow(motion.flow, frame.shape[-2:])
            kept[source.looked].append(iou(warp(before, flow) >= 0.5, mask))
        before = soft
    every = kept[True] + kept[False]
    mean = [sum(x) / max(len(x), 1) for x in (found, inside, overlap, every, kept[True])]
    between = f"{sum(kept[False]) / len(kept[False]):8.3f}" if kept[False] else 8 * " "
    milliseconds = seconds / len(frames) * 1e3
    return (
        f"{mean[0]:5.0%}{mean[1]:8.1%}{mean[2]:7.2f}{mean[3]:8.3f}{mean[4]:9.3f} {between}"
        f"{milliseconds:11.1f}"
    )


def print_cost(video: Path, rounds: int) -> None:
    """Print what regions cost of a frame's time in a whole run, at 640 pixels, without the start.

    The time of the clip's first second is taken from the time of all of it.
    """
    styles = ("starry_night", "great_wave", "the_scream")
    three = ("person=starry_night", "animals,vehicles=the_scream", "background=great_wave")
    with open_video(video) as reader:
        later = reader.info.frames - round(reader.info.rate)
    with tempfile.TemporaryDirectory() as folder:
        common = {"input_video": video, "output_video": Path(folder) / "out.mp4"}
        common |= {"quiet": True, "long_side": 640}
        runs = {
            "no region": VideoConfig(style=styles[0], **common),
            "three regions": VideoConfig(region=three, **common),
        }
        times = {(name, part): [] for name in runs for part in ("start", "whole")}
        for _ in range(rounds + 1):  # the first one warms up
            for name, config in runs.items():
                for part, duration in (("start", 1.0), ("whole", None)):
                    begin = time.perf_counter()
                    run_video(replace(config, duration=duration))
                    times[name, part].append(time.perf_counter() - begin)
    best = {key: min(seconds[1:]) for key, seconds in times.items()}
    frame = {name: (best[name, "whole"] - best[name, "start"]) / later for name in runs}
    for name, seconds in frame.items():
        whole, ratio = best[name, "whole"], seconds / frame["no region"]
        print(f"{name:14}{1e3 * seconds:7.1f} ms/frame  x {ratio:.2f}  (whole run {whole:.2f} s)")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--masks", type=Path, required=True)
    parser.add_argument("--region", default="person")
    parser.add_argument("--every", type=int, default=VideoConfig.segment_every)
    parser.add_argument("--sizes", type=int, nargs="+", default=[257, LONG_SIDE])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    regions = parse_regions((f"{options.region}=style",), None, own_masks=False)
    frames, true, motions = load_clip(options.video, options.masks)
    device = choose_device("auto")
    dtype = choose_dtype("auto", device)
    print(
        f"{options.video.name}, {len(frames)} frames, {str(dtype).removeprefix('torch.')}, "
        f"{torch.get_num_threads()} threads\n"
    )
    print(f"{'segmenter':11}{'pixels':>6}  every  {COLUMNS}")
    kinds = [kind for kind, file in DEEPLAB_FILES.items() if find((file,))]
    runs = [(kind, LONG_SIDE) for kind in kinds] + [("small", size) for size in options.sizes]
    for kind, size in runs:
        segmenter = Segmenter(kind, device, dtype, size)
        for every, steady in ((1, False), (1, True), (options.every, True)):
            source = SegmentedMasks(regions, segmenter, every, feather=2)
            line = measure(source, frames, true, motions, steady)
            label = f"{every}" if steady else "alone"
            print(f"{kind:11}{size:6}  {label:>5}  {line}", flush=True)
    if options.rounds:
        print("\nwhole run, fast net, 640 pixels")
        print_cost(options.video, options.rounds)


if __name__ == "__main__":
    main()
