"""The story of a stylized video.

Reading, painting and writing run at the same time, each in a thread of its own. Memory does not
grow with the video's length.
"""

import json
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from io import BytesIO

import torch
from torch import Tensor
from tqdm import tqdm

from nst.checkpoint import Checkpoint, load_checkpoint
from nst.coherence import MotionMean, MotionTracker
from nst.config import VideoConfig
from nst.device import choose_device, choose_dtype
from nst.errors import InputError
from nst.files import replacing
from nst.flow import FlowEstimator
from nst.frames import Frame, StreamInfo
from nst.image_io import load_image
from nst.masks import colour_plan
from nst.measurement import Measurement, in_words, target_grams
from nst.one_pass import FoldedCodes, stylize, working_size
from nst.pipeline import in_background
from nst.region_masks import GivenMasks, SegmentedMasks, video_masks
from nst.regions import chosen_styles
from nst.styles import shares_of
from nst.tensors import keep_color, resize
from nst.transformer_net import TransformerNet
from nst.vgg import VGGFeatures
from nst.video_reader import open_video
from nst.video_writer import VideoWriter, create_video
from nst.weights import load_vgg19

# Without a report a few small frames are measured, at a cost that does not show.
SAMPLE_SIDE, SAMPLE_EVERY = 320, 16


def stylize_video(config: VideoConfig) -> None:
    """Stylize the video that `config` names and write it, with its times and its sound.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    checkpoint = load_checkpoint(config.checkpoint)
    regions, code, left_alone = chosen_styles(config, checkpoint)
    device = choose_device(config.device)
    dtype = choose_dtype(config.precision, device)
    net, code = checkpoint.net.to(device, dtype), code.to(device)
    tracker = None
    if config.flow != "none" and (config.temporal_blend or regions and config.masks is None):
        tracker = MotionTracker(FlowEstimator(config.flow, config.flow_long_side, device))
    rate = Fraction(config.rate).limit_denominator(1001)
    with open_video(config.input_video, config.start, config.duration, rate) as reader:
        measurement = _measurement(config, checkpoint)
        size = working_size(reader.info.size, config.long_side, config.input_video)
        info = replace(reader.info, size=size)
        encoding = {"codec": config.codec, "crf": config.crf, "preset": config.preset}
        # The frames that are being painted, kept to be measured.
        originals: deque[Tensor] = deque()
        with (
            video_masks(config, regions, device, dtype, reader.info.rate) as masks,
            create_video(
                config.output_video, info, keep_audio=config.keep_audio, **encoding
            ) as writer,
            _mask_writer(config, info) as mask_writer,
            in_background(_resized(reader, size, originals)) as frames,
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
                    masks,
                    mask_writer,
                )
            ) as painted,
        ):
            label = f"stylizing, {tracker.flow.method.upper()} flow" if tracker else "stylizing"
            for frame in tqdm(painted, label, info.frames, unit="frame", disable=config.quiet):
                writer.write(frame)
                measurement.add(originals.popleft(), frame.image.cpu())
    figures = measurement.figures()
    if config.report:
        with replacing(config.report) as partial:
            partial.write_text(json.dumps(figures, indent=1) + "\n")
    if not config.quiet:
        print(in_words(figures))


def _measurement(config: VideoConfig, checkpoint: Checkpoint) -> Measurement:
    """Return what measures the result: each frame for a report, a few otherwise."""
    flow = FlowEstimator("dis")
    if not config.report:
        return Measurement(flow, SAMPLE_SIDE, SAMPLE_EVERY)
    if config.region:
        warnings.warn("with regions style is not measured: there are several", stacklevel=2)
        return Measurement(flow)
    shares, _ = shares_of(checkpoint, config.style)
    pictures = {
        name: load_image(BytesIO(checkpoint.pictures[name]))
        for name in shares
        if name in checkpoint.pictures
    }
    if len(pictures) < len(shares):
        line = "this checkpoint has no copy of its style pictures: style is not measured"
        warnings.warn(line, stacklevel=2)
        return Measurement(flow)
    vgg = VGGFeatures(load_vgg19())
    return Measurement(flow, None, 1, vgg, target_grams(vgg, pictures, shares))


def stylize_frames(
    frames: Iterable[Frame],
    net: TransformerNet,
    code: Tensor,
    dtype: torch.dtype,
    preserve_color: bool = False,
    tracker: MotionTracker | None = None,
    temporal_blend: float = 0.0,
    identity: Tensor | None = None,
    identity_share: float | Tensor = 0.0,
    masks: SegmentedMasks | GivenMasks | None = None,
    mask_writer: VideoWriter | None = None,
) -> Iterator[Frame]:
    """Paint frames one by one; each result keeps its frame's time.

    Args:
        code: (K, D), on the net's device; one without masks.
        dtype: to compute in.
        preserve_color: keep the frame's colours and paint its lightness only.
        tracker: a new one, which finds the motion; without it each frame is painted by itself.
        temporal_blend: share of the last result where the motion can be trusted.
        identity, identity_share: see `one_pass.stylize`.
        masks: which part of a frame takes which code.
        mask_writer: takes pictures of the masks.
    """
    mean, folds = MotionMean(temporal_blend), FoldedCodes(net, code, dtype)
    for frame in frames:
        content = frame.image.to(code.device)
        motion = tracker.follow(content) if tracker else None
        weights = folded = None
        if masks:
            weights = masks.follow(content, motion).to(code.device)
            folded = folds.follow(content, anew=tracker is not None and motion is None)
        image = stylize(net, content, code, dtype, identity, identity_share, weights, folded)
        image = mean.update(image, motion) if temporal_blend else image
        if preserve_color:
            image = keep_color(image, content)
        if masks:  # last of all: what is left alone has nothing of the frames before
            image = masks.regions.restored(image, content, weights)
        if mask_writer:
            mask_writer.write(replace(frame, image=colour_plan(weights, content)))
        yield replace(frame, image=image)


def _resized(
    frames: Iterable[Frame], size: tuple[int, int], originals: deque[Tensor]
) -> Iterator[Frame]:
    for frame in frames:
        image = resize(frame.image, size)
        originals.append(image)
        yield replace(frame, image=image)


def _mask_writer(config: VideoConfig, info: StreamInfo):
    if config.mask_output is None:
        return nullcontext()
    if config.mask_output.absolute() == config.output_video.absolute():
        raise InputError(f"--mask-output is --output-video, {config.output_video}: give another")
    return create_video(config.mask_output, info, keep_audio=False)
