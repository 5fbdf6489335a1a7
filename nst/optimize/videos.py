"""Optimize a video frame by frame, each begun from those before it and tied to them.

Ruder et al., "Artistic Style Transfer for Videos", 2016. Finished frames lie on the disk; an
interrupted run goes on from them.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from torch import Tensor

from nst.core.color import restore_color
from nst.core.device import choose_device, choose_dtype, keep_memory
from nst.core.files import check_place, write_json
from nst.core.progress import OnProgress, Progress, collected_warnings
from nst.core.reports import VideoReport
from nst.core.tensors import resize, size_of, working_size
from nst.errors import InputError
from nst.losses.video_metrics import Measurement, build_measurement
from nst.media.camera import is_live
from nst.media.frames import OnFrame, PaintedFrame, frame_rate
from nst.media.images import load_image
from nst.media.video_reader import open_video
from nst.media.video_writer import create_video
from nst.models.vgg import VGGFeatures
from nst.models.weights import load_vgg19
from nst.motion.flow import FlowEstimator
from nst.optimize.coarse_to_fine import MIN_SIDE, check_styles, scale_sizes
from nst.optimize.frame_store import FrameStore
from nst.optimize.frames import FramePainter
from nst.optimize.style_targets import sized_style
from nst.options.stylize import VideoConfig


def optimize_video(
    config: VideoConfig, on_frame: OnFrame | None = None, on_progress: OnProgress | None = None
) -> VideoReport:
    """Paint the video that `config` names and write it, with its times and its sound.

    Args:
        on_frame: takes each frame as it is written, when all are painted; returning False ends the
            video there.
        on_progress: is told how many steps of the optimizer are done.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    begun = time.perf_counter()
    device = choose_device(config.device)
    dtype = choose_dtype(config.precision, device, gradients=True)
    styles = _load_styles(config)
    if config.report:
        check_place(config.report, "--report", [".json"])
    keep_memory()
    flow = None
    if config.flow != "none":
        flow = FlowEstimator(config.flow, config.flow_long_side, device)
    rate = frame_rate(config.rate)
    with collected_warnings() as warned, FrameStore(config) as store:
        span = (config.input_video, config.start, config.duration, rate)
        with open_video(*span, deinterlace=config.deinterlace) as reader:
            size = working_size(reader.info.size, config.long_side, config.input_video, MIN_SIDE)
            info = replace(reader.info, size=size, loop=0 if config.loop else reader.info.loop)
            create = partial(
                create_video,
                config.output_video,
                info,
                codec=config.codec,
                crf=config.crf,
                preset=config.preset,
                keep_audio=config.keep_audio,
                pix_fmt=config.pix_fmt,
            )
            create().discard()  # what could not be written is found before hours of work
            weights = load_vgg19(config.vgg)
            vgg = VGGFeatures(weights, config.pooling).to(device, dtype)
            if not store.times:
                store.take_in(replace(frame, image=resize(frame.image, size)) for frame in reader)
        measured = _measurement(config, weights, styles, max(size))
        painter = FramePainter(config, store, vgg, styles, flow)
        painting, complete = time.perf_counter(), True
        _paint_frames(painter, store, config, size, on_progress)
        with create() as writer:
            for frame in _finished(store, config):
                writer.write(frame.result)
                measured.add(frame.original.image, frame.result.image)
                if on_frame and on_frame(frame) is False:
                    complete = False
                    break
        painted = time.perf_counter() - painting
        store.remove()
    figures = measured.figures()
    if config.report:
        write_json(config.report, figures)
    return VideoReport(
        output=writer.path,
        frames=measured.frames,
        size=size,
        seconds=time.perf_counter() - begun,
        fps=measured.frames / max(painted, 1e-9),
        figures=figures,
        warnings=tuple(warned),
        complete=complete,
    )


def _finished(store: FrameStore, config: VideoConfig) -> Iterator[PaintedFrame]:
    """Read the frames of the last pass back, with the colors that were asked for."""
    for number in range(len(store.times)):
        frame, content = store.frame(config.passes, number), store.content(number)
        image = restore_color(frame.image, content, config.preserve_color)
        yield PaintedFrame(replace(frame, image=content), replace(frame, image=image))


def _paint_frames(
    painter: FramePainter,
    store: FrameStore,
    config: VideoConfig,
    size: tuple[int, int],
    on_progress: OnProgress | None,
) -> None:
    """Paint what the store does not have yet, pass by pass, forward and backward in turn."""
    count = len(store.times)
    left = sum(not store.has(t, i) for t in range(1, config.passes + 1) for i in range(count))
    scales, pixels = scale_sizes(size, config.scales), math.prod(size)
    whole, whole_work = len(scales) * config.steps, config.steps * sum(map(math.prod, scales))
    if painter.flow is None:  # no frame is tied to another
        steps, work = left * whole, left * whole_work
    else:
        steps = left * config.frame_steps
        work = steps * pixels
        if not store.has(1, 0):
            steps += whole - config.frame_steps
            work += whole_work - config.frame_steps * pixels
    done = work_done = 0
    for turn in range(1, config.passes + 1):
        order = range(count) if turn % 2 else range(count - 1, -1, -1)
        for number in order:
            if store.has(turn, number):
                continue
            note = f"pass {turn}, frame {number + 1}/{count}"
            image = None
            for step_image in painter.steps(turn, number):
                image, done = step_image, done + 1
                work_done += math.prod(size_of(image))
                if on_progress:
                    part = work_done / work
                    on_progress(Progress("optimizing", done, steps, "step", note, part))
            store.keep(turn, number, image)


def _measurement(
    config: VideoConfig, weights: dict[str, Tensor], styles: list[Tensor], long_side: int
) -> Measurement:
    """Return what measures the result; for a report the style too, in the style's own colors."""
    if not config.report:
        return Measurement(FlowEstimator("dis"))
    parts = config.blend or (1.0,) * len(styles)
    pictures = [
        (sized_style(style, long_side, config), part / sum(parts))
        for style, part in zip(styles, parts, strict=True)
    ]
    return build_measurement(lambda: pictures, lambda: VGGFeatures(weights))


def _load_styles(config: VideoConfig) -> list[Tensor]:
    if config.output_video is None or is_live(str(config.input_video)):
        raise InputError("--method optimize is slow: give a file to read and --output-video")
    check_styles(config)
    if config.loop and config.passes < 2:
        raise InputError("--loop joins the ends in the second pass: give --passes 2 or more")
    if not config.lags:
        raise InputError("--lags is empty: give 1, or 1 2 4")
    return [load_image(path) for path in config.style_path]
