"""A video in one pass of a trained net.

Reading, painting and writing run at the same time, each in a thread of its own. Memory does not
grow with the video's length.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nst.core.device import choose_device, frame_workers, frames_together
from nst.core.files import check_place, write_json
from nst.core.progress import OnProgress, collected_warnings, tracked
from nst.core.reports import VideoReport
from nst.core.tensors import resize, working_size
from nst.core.threads import in_background
from nst.errors import InputError
from nst.losses.video_metrics import Measurement, build_measurement
from nst.media.camera import is_live
from nst.media.frames import Frame, OnFrame, PaintedFrame, StreamInfo, frame_rate
from nst.media.video_reader import open_video
from nst.media.video_writer import VideoWriter, create_video, holds_alpha
from nst.models.checkpoint import Checkpoint
from nst.models.vgg import VGGFeatures
from nst.models.weights import load_vgg19
from nst.motion.coherence import MotionTracker
from nst.motion.flow import FlowEstimator
from nst.options.stylize import VideoConfig
from nst.regions.edges import color_plan
from nst.regions.masks import video_masks
from nst.styles.codes import CrossFade
from nst.styles.pictures import style_pictures
from nst.styles.spec import first_style
from nst.stylize.forward import LEAST_SIDE
from nst.stylize.frames import followed, stylize_frames
from nst.stylize.paint import Paint, Styles, mix_paint, read_styles

# Without a report a few small frames are measured, at a cost that does not show.
SAMPLE_SIDE, SAMPLE_EVERY = 320, 16
# From a camera's first picture to the one that a style is tuned on: its exposure settles meanwhile.
SETTLING_MILLISECONDS = 700


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
        checkpoint = styles.load(config.checkpoint, "fast")
        paint = mix_paint(config, checkpoint, styles, lambda: _sample(config), on_progress)
        measured = _measurement(config, checkpoint, styles, paint.device)
        with (
            _painted(config, paint, styles) as (info, frames),
            _written(config, info, paint.device) as writers,
        ):
            painting, complete = time.perf_counter(), True
            for frame in tracked(frames, "stylizing", info.frames, "frame", on_progress):
                writers.write(frame)
                measured.add(frame.original.image, frame.result.image, frame.alone)
                if on_frame and on_frame(frame) is False:
                    complete = False
                    break
            painted = time.perf_counter() - painting
    figures = measured.figures()
    if config.report:
        write_json(config.report, figures)
    return VideoReport(
        output=writers.video.path if writers.video else None,
        frames=measured.frames,
        size=info.size,
        seconds=time.perf_counter() - begun,
        fps=measured.frames / max(painted, 1e-9),
        figures=figures,
        warnings=tuple(warned),
        masks=writers.masks.path if writers.masks else None,
        complete=complete,
    )


def _opened(config: VideoConfig, device: torch.device | None = None):
    """Open the part of the video that is wanted, with its alpha where the output can hold it."""
    span = (config.input_video, config.start, config.duration, frame_rate(config.rate))
    output = config.output_video
    keep_alpha = output is not None and holds_alpha(output, config.codec, config.pix_fmt)
    return open_video(*span, keep_alpha, config.deinterlace, device, config.hwaccel)


def _sample(config: VideoConfig) -> list[Tensor]:
    """Return the frame that a style picture's code is tuned on; of a camera, one a little later."""
    live = is_live(str(config.input_video))
    with _opened(config) as reader:
        for frame in reader:
            if not live or frame.pts >= SETTLING_MILLISECONDS:
                break
        return [frame.image]


@contextmanager
def _painted(
    config: VideoConfig, paint: Paint, styles: Styles
) -> Iterator[tuple[StreamInfo, Iterator[PaintedFrame]]]:
    """Open the video and give its painted frames, made by threads, and what they are written as.

    What is live waits in no queue before the net: each frame is the latest.
    """
    live = is_live(str(config.input_video))
    ahead = nullcontext if live else in_background
    with ExitStack() as stack:
        reader = stack.enter_context(_opened(config, paint.device))
        size = working_size(reader.info.size, config.long_side, config.input_video, LEAST_SIDE)
        info = replace(reader.info, size=size)
        paint = paint.for_size(size)
        fade = None
        if paint.fade_to:
            first = paint.codes, float(torch.as_tensor(paint.identity_weight))
            fade = CrossFade(*first, *paint.fade_to, info.frames)
        workers = stack.enter_context(frame_workers(paint.device, size, live))
        masks = stack.enter_context(
            video_masks(config, styles.regions, paint.device, paint.dtype, info.rate)
        )
        resized = stack.enter_context(ahead(_resized(reader, paint.device, size, config.mirror)))
        tracker = _tracker(config, paint, styles)
        scenes = followed(resized, paint.device, tracker, masks, paint.grain)
        painted = stylize_frames(
            stack.enter_context(ahead(scenes)),
            paint,
            config.temporal_blend,
            config.preserve_color,
            fade,
            styles.regions,
            workers,
            waiting=0 if live else 1,
            keep_alone=bool(config.report and config.temporal_blend),
            together=frames_together(paint.device, size, live),
        )
        yield info, stack.enter_context(in_background(painted, depth=1 if live else 2))


def _tracker(config: VideoConfig, paint: Paint, styles: Styles) -> MotionTracker | None:
    if config.flow == "none" or not (config.temporal_blend or styles.regions or paint.grain):
        return None
    return MotionTracker(FlowEstimator(config.flow, config.flow_long_side, paint.device))


def _resized(
    frames: Iterable[Frame], device: torch.device, size: tuple[int, int], mirror: bool
) -> Iterator[Frame]:
    for frame in frames:
        image, alpha = resize(frame.image.to(device), size), frame.alpha
        if mirror:
            image, alpha = image.flip(3), None if alpha is None else alpha.flip(3)
        yield replace(frame, image=image, alpha=alpha)


def _measurement(
    config: VideoConfig, checkpoint: Checkpoint, styles: Styles, device: torch.device
) -> Measurement:
    """Return what measures the result: each frame for a report, a few otherwise."""
    if not config.report:
        return Measurement(FlowEstimator("dis"), SAMPLE_SIDE, SAMPLE_EVERY)
    check_place(config.report, "--report")

    def pictures() -> list[tuple[Tensor, float]]:
        if styles.regions or styles.fade_to:
            raise InputError("there is more than one style")
        return style_pictures(checkpoint, styles.style or first_style(checkpoint))

    return build_measurement(pictures, lambda: VGGFeatures(load_vgg19()).to(device))


@dataclass(frozen=True)
class _Writers:
    """The video and the pictures of its masks, where they are asked for."""

    video: VideoWriter | None
    masks: VideoWriter | None

    def write(self, frame: PaintedFrame) -> None:
        if self.video:
            self.video.write(frame.result)
        if self.masks and frame.weights is not None:
            image = color_plan(frame.weights, frame.original.image)
            self.masks.write(replace(frame.original, image=image, alpha=None))


@contextmanager
def _written(config: VideoConfig, info: StreamInfo, device: torch.device) -> Iterator[_Writers]:
    """Open the files to write; see `create_video` for what becomes of them in case of an error."""
    output, masks = config.output_video, config.mask_output
    if output and masks and masks.absolute() == output.absolute():
        raise InputError(f"--mask-output is --output-video, {output}: give another")
    with ExitStack() as stack:
        video = mask_video = None
        if output:
            create = create_video(
                output,
                info,
                codec=config.codec,
                crf=config.crf,
                preset=config.preset,
                keep_audio=config.keep_audio,
                pix_fmt=config.pix_fmt,
                on_gpu=device.type == "cuda",
            )
            video = stack.enter_context(create)
        if masks:
            mask_video = stack.enter_context(create_video(masks, info, keep_audio=False))
        yield _Writers(video, mask_video)
