"""The story of an optimised video: frame by frame, each begun from and tied to those before it.

Ruder et al., "Artistic Style Transfer for Videos", 2016. Finished frames lie on the disk; an
interrupted run goes on from them.
"""

from dataclasses import replace
from functools import partial

from torch import Tensor
from tqdm import tqdm

from nst.core.color import restore_color
from nst.core.device import choose_device, choose_dtype, keep_memory
from nst.core.files import check_place, write_json
from nst.core.tensors import resize, working_size
from nst.errors import InputError
from nst.losses.video_metrics import Measurement, build_measurement, in_words
from nst.media.camera import is_live
from nst.media.frames import frame_rate
from nst.media.images import load_image
from nst.media.video_reader import open_video
from nst.media.video_writer import create_video
from nst.models.vgg import VGGFeatures
from nst.models.weights import load_vgg19
from nst.motion.flow import FlowEstimator
from nst.optimize.coarse_to_fine import MIN_SIDE, check_styles, scale_sizes, sized_style
from nst.optimize.frame_store import FrameStore
from nst.optimize.frames import FramePainter
from nst.options.stylize import VideoConfig


def optimize_video(config: VideoConfig) -> str:
    """Paint the video that `config` names and write it, with its times and its sound.

    Returns:
        How steady it is and how near to the original, in one line.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    styles = _load_styles(config)
    if config.report:
        check_place(config.report, "--report")
    keep_memory()
    device = choose_device(config.device)
    dtype = choose_dtype(config.precision, device)
    flow = None
    if config.flow != "none":
        flow = FlowEstimator(config.flow, config.flow_long_side, device)
    rate = frame_rate(config.rate)
    with FrameStore(config) as store:
        with open_video(config.input_video, config.start, config.duration, rate) as reader:
            size = working_size(reader.info.size, config.long_side, config.input_video, MIN_SIDE)
            info = replace(reader.info, size=size, loop=0 if config.loop else reader.info.loop)
            encoding = {"codec": config.codec, "crf": config.crf, "preset": config.preset}
            create = partial(
                create_video, config.output_video, info, keep_audio=config.keep_audio, **encoding
            )
            create().discard()  # what could not be written is found before hours of work
            weights = load_vgg19(config.vgg)
            vgg = VGGFeatures(weights, config.pooling).to(device, dtype)
            if not store.times:
                store.take_in(replace(frame, image=resize(frame.image, size)) for frame in reader)
        measurement = _measurement(config, weights, styles, max(size))
        painter = FramePainter(config, store, vgg, styles, flow)
        _paint_frames(painter, store, config, size)
        with create() as writer:
            for number in range(len(store.times)):
                frame, content = store.frame(config.passes, number), store.content(number)
                image = restore_color(frame.image, content, config.preserve_color)
                writer.write(replace(frame, image=image))
                measurement.add(content, image)
        store.remove()
        figures = measurement.figures()
        if config.report:
            write_json(config.report, figures)
        return in_words(figures)


def _paint_frames(
    painter: FramePainter, store: FrameStore, config: VideoConfig, size: tuple[int, int]
) -> None:
    """Paint what the store does not have yet, pass by pass, there and back."""
    count = len(store.times)
    left = sum(not store.has(t, i) for t in range(1, config.passes + 1) for i in range(count))
    whole = len(scale_sizes(size, config.scales)) * config.steps
    if painter.flow is None:  # no frame is tied to another
        steps = left * whole
    else:
        steps = left * config.frame_steps
        if not store.has(1, 0):
            steps += whole - config.frame_steps
    with tqdm(total=steps, unit="step", disable=config.quiet) as bar:
        for turn in range(1, config.passes + 1):
            order = range(count) if turn % 2 else range(count - 1, -1, -1)
            for number in order:
                if store.has(turn, number):
                    continue
                bar.set_description(f"pass {turn}, frame {number + 1}/{count}")
                image = None
                for step_image in painter.steps(turn, number):
                    image = step_image
                    bar.update()
                store.keep(turn, number, image)


def _measurement(
    config: VideoConfig, weights: dict[str, Tensor], styles: list[Tensor], long_side: int
) -> Measurement:
    """Return what measures the result; for a report the style too, in the style's own colours."""
    if not config.report:
        return Measurement(FlowEstimator("dis"))
    pictures = {str(i): sized_style(style, long_side, config) for i, style in enumerate(styles)}
    parts = config.blend or (1.0,) * len(styles)
    shares = {name: part / sum(parts) for name, part in zip(pictures, parts, strict=True)}
    return build_measurement(lambda: (pictures, shares), lambda: VGGFeatures(weights))


def _load_styles(config: VideoConfig) -> list[Tensor]:
    if config.output_video is None or is_live(str(config.input_video)):
        raise InputError("--method optimize is slow: give a file to read and --output-video")
    check_styles(config)
    if config.loop and config.passes < 2:
        raise InputError("--loop joins the ends in the second pass: give --passes 2 or more")
    if not config.lags:
        raise InputError("--lags is empty: give 1, or 1 2 4")
    return [load_image(path) for path in config.style_path]
