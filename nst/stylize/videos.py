"""A video in one pass of a trained net.

Reading, painting and writing run at the same time, each in a thread of its own. Memory does not
grow with the video's length.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nst.core.device import choose_device
from nst.core.files import check_place, write_json
from nst.core.progress import OnProgress, collected_warnings, tracked
from nst.core.reports import VideoReport
from nst.errors import InputError
from nst.losses.video_metrics import Measurement, build_measurement
from nst.media.compare import compare_path, compare_size, compared
from nst.media.frames import Frame, OnFrame, PaintedFrame, StreamInfo
from nst.media.video_writer import VideoWriter, create_video
from nst.models.checkpoint import DEFAULT, Checkpoint, load_checkpoint
from nst.models.vgg import VGGFeatures
from nst.models.weights import load_vgg19
from nst.motion.flow import FlowEstimator
from nst.options.stylize import VideoConfig
from nst.regions.edges import color_plan
from nst.styles.pictures import style_pictures
from nst.styles.spec import first_style
from nst.stylize.key_learning import learned
from nst.stylize.paint import Styles, check_styles, mix_paint, read_styles
from nst.stylize.pipeline import Pipeline, Source, check_times, sample

# Without a report a few small frames are measured, at a cost that does not show.
SAMPLE_SIDE, SAMPLE_EVERY = 320, 16


def one_pass_video(
    config: VideoConfig, on_frame: OnFrame | None = None, on_progress: OnProgress | None = None
) -> VideoReport:
    """Stylize the video that `config` names and write it, with its times and its sound.

    Args:
        on_frame: takes each finished frame; returning False ends the video there.
        on_progress: is told how many frames are done.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    if config.output_video is None and on_frame is None:
        raise InputError("nothing would be seen: give --output-video, --show or both")
    begun = time.perf_counter()
    choose_device(config.device)  # refuses one that is absent before anything is read
    with collected_warnings() as warned:
        styles = read_styles(config)
        checkpoint = load_checkpoint(config.checkpoint or DEFAULT)
        check_styles(config, checkpoint, styles)
        check_times(config, styles)
        paint = mix_paint(config, checkpoint, styles, lambda: sample(config), on_progress)
        if config.keyframe:
            paint = replace(paint, keys=learned(config, checkpoint, None, on_progress)[0])
        measured = measurement(config, checkpoint, styles, paint.device)
        with (
            Source(config, paint.device) as source,
            Pipeline(source, paint, styles).painted() as frames,
            written(config, source.info, paint.device) as writers,
        ):
            info = source.info
            painting, complete = time.perf_counter(), True
            for frame in tracked(frames, "stylizing", info.frames, "frame", on_progress):
                writers.write(frame.original, frame.result, mask_picture(config, frame))
                measured.add(frame.original.image, frame.result.image, frame.alone)
                if on_frame and on_frame(frame) is False:
                    complete = False
                    break
            spent = time.perf_counter() - painting
    report = written_report(config, measured, writers, info.size, measured.frames, spent)
    seconds = time.perf_counter() - begun
    return replace(report, seconds=seconds, warnings=tuple(warned), complete=complete)


def written_report(
    config: VideoConfig,
    measured: Measurement,
    writers: "Writers",
    size: tuple[int, int],
    painted: int,
    spent: float,
) -> VideoReport:
    """Return what is to be said of a finished video; its figures go to --report, too.

    Args:
        size: (height, width) of the result.
        painted, spent: frames that were painted in this run, and the seconds for that.
    """
    figures = measured.figures()
    if config.report:
        write_json(config.report, figures)
    return VideoReport(
        output=writers.video.path if writers.video else None,
        frames=measured.frames,
        size=size,
        seconds=spent,
        fps=painted / max(spent, 1e-9),
        figures=figures,
        masks=writers.masks.path if writers.masks else None,
        compare=writers.compare.path if writers.compare else None,
    )


def measurement(
    config: VideoConfig, checkpoint: Checkpoint, styles: Styles, device: torch.device
) -> Measurement:
    """Return what measures the result: each frame for a report, a few otherwise."""
    if not config.report:
        return Measurement(FlowEstimator("dis"), SAMPLE_SIDE, SAMPLE_EVERY)
    check_place(config.report, "--report", [".json"])

    def pictures() -> list[tuple[Tensor, float]]:
        if styles.regions or len(styles.keys) > 1 or config.keyframe:
            raise InputError("there is more than one style")
        return style_pictures(checkpoint, styles.keys[0] or first_style(checkpoint))

    return build_measurement(pictures, lambda: VGGFeatures(load_vgg19()).to(device))


@dataclass(frozen=True)
class Writers:
    """The video, the pictures of its masks and the comparison, where they are asked for.

    Args:
        how, time_base: of the comparison, see `compared`, and of the frames' times.
    """

    video: VideoWriter | None
    masks: VideoWriter | None = None
    compare: VideoWriter | None = None
    how: str = "none"
    time_base: Fraction = Fraction(1)

    def unfinished(self) -> list[Path]:
        """Return where they are written until they are whole."""
        return [writer.part for writer in (self.video, self.masks, self.compare) if writer]

    def discard(self) -> None:
        """Leave nothing of them."""
        for writer in (self.video, self.masks, self.compare):
            if writer:
                writer.discard()

    def write(self, original: Frame, result: Frame, mask: Tensor | None) -> None:
        """Write a painted frame, and the picture (1, 3, H, W) of its masks."""
        if self.video:
            self.video.write(result)
        if self.masks and mask is not None:
            self.masks.write(replace(result, image=mask, alpha=None))
        if self.compare:
            seconds = result.pts * self.time_base
            both = compared(original.image, result.image, seconds, self.how)
            self.compare.write(replace(result, image=both, alpha=None))


def mask_picture(config: VideoConfig, frame: PaintedFrame) -> Tensor | None:
    """Return the picture (1, 3, H, W) of a frame's masks; None where none is asked for."""
    if config.mask_output is None or frame.weights is None:
        return None
    return color_plan(frame.weights, frame.original.image)


@contextmanager
def written(config: VideoConfig, info: StreamInfo, device: torch.device) -> Iterator[Writers]:
    """Open the files to write; see `create_video` for what becomes of them in case of an error."""
    output, masks = config.output_video, config.mask_output
    if output and masks and masks.absolute() == output.absolute():
        raise InputError(f"--mask-output is --output-video, {output}: give another")
    encoding: dict[str, Any] = {
        "codec": config.codec,
        "crf": config.crf,
        "preset": config.preset,
        "keep_audio": config.keep_audio,
        "pix_fmt": config.pix_fmt,
        "on_gpu": device.type == "cuda",
    }
    with ExitStack() as stack:
        video = mask_video = compare = None
        if output:
            video = stack.enter_context(create_video(output, info, **encoding))
        if masks:
            mask_video = stack.enter_context(create_video(masks, info, keep_audio=False))
        if output and config.compare != "none":
            larger = replace(info, size=compare_size(info.size, config.compare))
            create = create_video(compare_path(output), larger, **encoding)
            compare = stack.enter_context(create)
        yield Writers(video, mask_video, compare, config.compare, info.time_base)
