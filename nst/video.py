"""The story of a stylized video.

Reading, painting and writing run at the same time, each in a thread of its own. Memory does not
grow with the video's length.
"""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction

import torch
from torch import Tensor
from tqdm import tqdm

from nst.camera import is_live
from nst.checkpoint import load_checkpoint
from nst.coherence import MotionMean, MotionTracker
from nst.config import VideoConfig
from nst.device import choose_device, choose_dtype
from nst.errors import InputError
from nst.flow import FlowEstimator
from nst.frames import Frame, StreamInfo
from nst.one_pass import stylize, working_size
from nst.pipeline import in_background
from nst.refinement import code_tuner
from nst.styles import CrossFade, chosen_style, identity_share, style_code, wanted_checkpoint
from nst.tensors import keep_color, resize
from nst.transformer_net import TransformerNet
from nst.vgg import VGGFeatures
from nst.video_reader import open_video
from nst.video_writer import create_video
from nst.weights import load_vgg19
from nst.window import Window


def stylize_video(config: VideoConfig) -> None:
    """Stylize the video that `config` names and write it, with its times and its sound.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    if not (config.output_video or config.show):
        raise InputError("nothing would be seen: give --output-video, --show or both")
    checkpoint = load_checkpoint(wanted_checkpoint(config, "fast"))
    rate = Fraction(config.rate).limit_denominator(1001)
    span = (config.input_video, config.start, config.duration, rate)
    tune = None
    if config.refine_steps:
        with open_video(*span) as reader:
            first = next(iter(reader)).image
        vgg = VGGFeatures(load_vgg19(None))
        tune = code_tuner(checkpoint.net, vgg, [first], config.refine_steps, config.quiet)
    code, left_alone = chosen_style(config, checkpoint, tune)
    device = choose_device(config.device)
    dtype = choose_dtype(config.precision, device)
    net, code = checkpoint.net.to(device, dtype), code.to(device)
    tracker = None
    if config.flow != "none" and config.temporal_blend:
        tracker = MotionTracker(FlowEstimator(config.flow, config.flow_long_side, device))
    with open_video(*span) as reader:
        size = working_size(reader.info.size, config.long_side, config.input_video)
        info = replace(reader.info, size=size)
        fade = None
        if config.style_to:
            last = style_code(
                checkpoint, config.style_to, config.strength, config.style_scale, tune
            )
            left_alone_last = identity_share(config.style_to, config.strength)
            fade = CrossFade(code, left_alone, last.to(device), left_alone_last, info.frames)
        # What is live waits in no queue before the net: each frame is the latest.
        live = is_live(str(config.input_video))
        resized = _resized(reader, size, config.mirror)
        with (
            _created(config, info) as writer,
            Window() if config.show else nullcontext() as window,
            nullcontext(resized) if live else in_background(resized) as frames,
            in_background(
                stylize_frames(
                    frames,
                    net,
                    code,
                    dtype,
                    config.preserve_color,
                    tracker,
                    config.temporal_blend,
                    checkpoint.codes[:1].to(device),
                    left_alone,
                    fade,
                ),
                depth=1 if live else 2,
            ) as painted,
        ):
            label = f"stylizing, {tracker.flow.method.upper()} flow" if tracker else "stylizing"
            for frame in tqdm(painted, label, info.frames, unit="frame", disable=config.quiet):
                if writer:
                    writer.write(frame)
                if window and not window.show(frame):
                    break


def stylize_frames(
    frames: Iterable[Frame],
    net: TransformerNet,
    code: Tensor,
    dtype: torch.dtype,
    preserve_color: bool = False,
    tracker: MotionTracker | None = None,
    temporal_blend: float = 0.0,
    identity: Tensor | None = None,
    identity_share: float = 0.0,
    fade: CrossFade | None = None,
) -> Iterator[Frame]:
    """Paint frames one by one; each result keeps its frame's time.

    Args:
        code: (1, D), on the net's device.
        dtype: to compute in.
        preserve_color: keep the frame's colours and paint its lightness only.
        tracker: a new one, which finds the motion; without it each frame is painted by itself.
        temporal_blend: share of the last result where the motion can be trusted.
        identity, identity_share: see `one_pass.stylize`.
        fade: brings each frame's own code and identity share.
    """
    mean = MotionMean(temporal_blend)
    for index, frame in enumerate(frames):
        if fade:
            code, identity_share = fade.at(index)
        content = frame.image.to(code.device)
        motion = tracker.follow(content) if tracker else None
        image = stylize(net, content, code, dtype, identity, identity_share)
        image = mean.update(image, motion)
        if preserve_color:
            image = keep_color(image, content)
        yield replace(frame, image=image)


def _created(config: VideoConfig, info: StreamInfo):
    """Return the writer, as a context; of None when nothing is to be written."""
    if config.output_video is None:
        return nullcontext()
    return create_video(
        config.output_video,
        info,
        codec=config.codec,
        crf=config.crf,
        preset=config.preset,
        keep_audio=config.keep_audio,
    )


def _resized(frames: Iterable[Frame], size: tuple[int, int], mirror: bool) -> Iterator[Frame]:
    for frame in frames:
        image = resize(frame.image, size)
        yield replace(frame, image=image.flip(3) if mirror else image)
