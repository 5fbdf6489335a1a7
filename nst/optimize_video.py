"""The story of an optimised video: frame by frame, each begun from and tied to those before it.

Ruder et al., "Artistic Style Transfer for Videos", 2016. Finished frames lie on the disk; an
interrupted run goes on from them.
"""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from nst.camera import is_live
from nst.carrying import carry, hold_colors
from nst.config import VideoConfig
from nst.device import choose_device, choose_dtype
from nst.errors import InputError
from nst.files import check_place, write_json
from nst.flow import FlowEstimator
from nst.frame_store import FrameStore
from nst.image_io import load_image
from nst.losses import temporal_loss
from nst.measurement import Measurement, in_words
from nst.memory_plan import plan_memory
from nst.objective import FeatureTarget, StyleTarget, picture_features, picture_moments
from nst.optimization import (
    Sources,
    build_objective,
    check_styles,
    noise_like,
    optimize_image,
    paint,
    scale_sizes,
    style_target,
)
from nst.style_statistics import blend_moments
from nst.tensors import fit, resize, restore_color
from nst.vgg import VGGFeatures
from nst.video_reader import open_video
from nst.video_writer import create_video
from nst.weights import load_vgg19

TEMPORAL_LAYERS = ("relu1_1", "relu2_1")
LEAST_SIDE = 32


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
    device = choose_device(config.device)
    dtype = choose_dtype(config.precision, device)
    flow = None
    if config.flow != "none":
        flow = FlowEstimator(config.flow, config.flow_long_side, device)
    rate = Fraction(config.rate).limit_denominator(1001)
    store = FrameStore(config)
    with open_video(config.input_video, config.start, config.duration, rate) as reader:
        size = fit(reader.info.size, config.long_side)
        if min(size) < LEAST_SIDE:
            raise InputError(
                f"{config.input_video} would be {size[1]}x{size[0]} pixels; both sides must be at "
                f"least {LEAST_SIDE}: give a larger --long-side"
            )
        info = replace(reader.info, size=size, loop=0 if config.loop else reader.info.loop)
        encoding = {"codec": config.codec, "crf": config.crf, "preset": config.preset}
        create = partial(
            create_video, config.output_video, info, keep_audio=config.keep_audio, **encoding
        )
        create().discard()  # what could not be written is found before hours of work
        vgg = VGGFeatures(load_vgg19(config.vgg), config.pooling).to(device, dtype)
        if not store.times:
            store.take_in(replace(frame, image=resize(frame.image, size)) for frame in reader)
    painter = FramePainter(config, store, vgg, styles, flow)
    count = len(store.times)
    left = sum(not store.has(t, i) for t in range(1, config.passes + 1) for i in range(count))
    steps = left * config.frame_steps
    if not store.has(1, 0):
        steps += len(scale_sizes(size, config.scales)) * config.steps - config.frame_steps
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
    measurement = Measurement(FlowEstimator("dis"))
    with create() as writer:
        for number in range(count):
            frame, content = store.frame(config.passes, number), store.content(number)
            image = restore_color(frame.image, content, config.preserve_color)
            writer.write(replace(frame, image=image))
            measurement.add(content, image)
    store.remove()
    figures = measurement.figures()
    if config.report:
        write_json(config.report, figures)
    return in_words(figures)


class FramePainter:
    """Paints the frames of a store, one at a time."""

    def __init__(
        self,
        config: VideoConfig,
        store: FrameStore,
        vgg: VGGFeatures,
        styles: list[Tensor],
        flow: FlowEstimator | None,
    ):
        self.config, self.store, self.vgg, self.styles, self.flow = config, store, vgg, styles, flow
        weight = vgg.convolutions["relu1_1"].weight
        self.device = weight.device
        first = store.content(0).to(self.device)
        self.plan = plan_memory(tuple(first.shape[-2:]), config, self.device, weight.dtype)
        recolor = first if config.preserve_color == "histogram" else None
        self.style = style_target(
            vgg,
            [style.to(self.device) for style in styles],
            max(first.shape[-2:]),
            config,
            recolor,
            tile=self.plan.tile,
        )

    def steps(self, turn: int, number: int) -> Iterator[Tensor]:
        """Paint a frame in a pass and yield the image after each step."""
        config, store = self.config, self.store
        content = store.content(number).to(self.device)
        seen = self._seen(turn, number)
        carried = carry(content, seen, self.flow) if seen and self.flow else None
        if turn > 1:
            own = store.result(turn - 1, number).to(self.device)
            if carried is None:  # where a pass begins there is nothing to agree with
                yield own
                return
            start = torch.lerp(own, carried[0], 0.5 * carried[1])
        elif carried is None:
            store.begin_shot(number)
            yield from self._first(content)
            return
        elif config.init == "previous":
            start = torch.lerp(content, *carried)
        else:
            start = content if config.init == "content" else noise_like(content, config.seed)
        features, terms = self._ties(*carried)
        style = self._style(seen[0][1])
        objective = build_objective(self.vgg, content, style, config, self.plan, features, terms)
        for step in paint(objective, start, config, config.frame_steps, self.plan):
            yield step.image

    def _first(self, content: Tensor) -> Iterator[Tensor]:
        """Paint the first frame of a shot, coarse to fine."""
        start = content
        if self.config.init == "noise":
            coarse = scale_sizes(tuple(content.shape[-2:]), self.config.scales)[0]
            start = noise_like(resize(content, coarse), self.config.seed)
        recolor = self.config.preserve_color == "histogram"
        sources = Sources(content, self.styles)
        for progress in optimize_image(sources, self.vgg, self.config, start, recolor):
            yield progress.step.image

    def _seen(self, turn: int, number: int) -> list[tuple[Tensor, Tensor]]:
        """Return the frames that a pass has done before this one, and their results."""
        store, count = self.store, len(self.store.times)
        direction = 1 if turn % 2 else -1
        seen = []
        for lag in sorted(set(self.config.lags)):
            other = number - direction * lag
            if self.config.loop and turn > 1 and lag < count:
                other %= count
            if not 0 <= other < count:
                continue
            there = turn if store.has(turn, other) else turn - 1
            result = store.result(there, other).to(self.device)
            if there == 1:
                reference = store.result(1, store.shot_of(other)).to(self.device)
                result = hold_colors(result, reference)
            seen.append((store.content(other).to(self.device), result))
        return seen

    def _ties(self, carried: Tensor, validity: Tensor):
        """Return the temporal losses, on features and on pixels."""
        features, terms = [], {}
        if self.config.temporal_features:
            share = self.config.temporal_features / len(TEMPORAL_LAYERS)
            wanted = picture_features(self.vgg, carried, TEMPORAL_LAYERS, self.plan.tile)
            for layer, values in wanted.items():
                pixels = F.adaptive_avg_pool2d(validity, values.shape[-2:])
                features.append(FeatureTarget("temporal_features", layer, values, share, pixels))
        if self.config.temporal_weight:
            terms["temporal"] = lambda image: (
                self.config.temporal_weight * temporal_loss(image, carried, validity).sum()
            )
        return features, terms

    def _style(self, previous: Tensor) -> StyleTarget:
        share = self.config.style_from_previous
        if not share:
            return self.style
        layers = self.config.style_layers
        moments = picture_moments(self.vgg, previous, layers, tile=self.plan.tile)
        return replace(
            self.style, moments=blend_moments([self.style.moments, moments], [1 - share, share])
        )


def _load_styles(config: VideoConfig) -> list[Tensor]:
    if config.output_video is None or config.show or is_live(str(config.input_video)):
        raise InputError("--method optimize is slow: give a file to read and --output-video")
    check_styles(config)
    if config.region:
        raise InputError("--region is for --method one-pass")
    if config.loop and config.passes < 2:
        raise InputError("--loop joins the ends in the second pass: give --passes 2 or more")
    if not config.lags:
        raise InputError("--lags is empty: give 1, or 1 2 4")
    return [load_image(path) for path in config.style_path]
