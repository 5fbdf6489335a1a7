"""What a net paints with: the styles that the options ask for, read, and turned into codes."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from nst.core.color import Grade
from nst.core.device import choose_device, choose_dtype
from nst.core.progress import OnProgress
from nst.errors import InputError
from nst.media.camera import is_live
from nst.media.frames import frame_rate
from nst.media.loudness import STEP, loudness
from nst.media.video_reader import open_video
from nst.models.checkpoint import ANY_STYLE, Checkpoint, interpolated_codes
from nst.models.transformer_net import TransformerNet
from nst.options.field import flag_of
from nst.options.stylize import PictureConfig, VideoConfig
from nst.regions.spec import Regions, regions_of
from nst.styles.codes import (
    REFERENCE_SIDE,
    Tune,
    as_it_is,
    check_scale,
    scale_at,
    style_codes,
)
from nst.styles.schedule import Clock, Schedule, parse_numbers, parse_styles
from nst.styles.spec import StyleSpec, parse_style, style_of
from nst.styles.timeline import Moment, Style, Timeline, distinct
from nst.styles.tuning import tuner_of
from nst.stylize.key_paint import KeyPaint

QUIET = 0.25  # the strength in silence that follows the sound


@dataclass(frozen=True)
class Styles:
    """The styles that a run is asked to paint, read before anything is loaded.

    Args:
        style: of the whole picture, or of what no region names; None is the checkpoint's first.
        regions: which parts take styles of their own.
        strength, scale: by which strength and stroke size are multiplied over a video; None is 1.
    """

    style: Style
    regions: Regions | None = None
    strength: Schedule[float] | None = None
    scale: Schedule[float] | None = None

    @property
    def painted(self) -> tuple[Style, ...]:
        """The R styles of a frame."""
        return self.regions.styles if self.regions else (self.style,)

    @property
    def keys(self) -> tuple[StyleSpec | None, ...]:
        """The K different styles that there are over all time, one for each code."""
        return distinct(self.painted)

    @property
    def schedules(self) -> list[Schedule]:
        """All that changes over a video."""
        every = (*self.painted, self.strength, self.scale)
        return [each for each in every if isinstance(each, Schedule)]

    @property
    def scale_factors(self) -> tuple[float, ...]:
        """All by which the stroke size is multiplied over a video."""
        return self.scale.values if self.scale else (1.0,)

    def timeline(self, clock: Clock) -> Timeline | None:
        """Return what each frame of a video is painted with; None where nothing changes.

        Raises:
            InputError: the video has no such times.
        """
        if not self.schedules:
            return None
        for schedule in self.schedules:
            schedule.check(clock)
        return Timeline(self.painted, self.strength, self.scale, clock)

    @property
    def pictures(self) -> tuple[Path, ...]:
        """The style pictures among them."""
        return tuple(picture for style in self.keys if style for picture in style.pictures)


def read_styles(config: PictureConfig | VideoConfig) -> Styles:
    """Read every style that the options name.

    Raises:
        InputError: one cannot be read, or they contradict each other.
    """
    style: Style = style_of(config)
    if not isinstance(config, VideoConfig):
        styles = Styles(style, regions_of(config, style))
        if styles.schedules:
            raise InputError(f"{styles.schedules[0].option} has times, and a picture has none")
        return styles
    if config.style_at is not None:
        for name in ("style", "style_path", "style_to"):
            if getattr(config, name) is not None:
                raise InputError(f"--style-at says all styles: leave out {flag_of(name)}")
        style = parse_styles(config.style_at)
    elif config.style_to is not None:
        ends = style_of(config), parse_style(config.style_to)
        style = Schedule("%", (0.0, 100.0), ends, (False, False), "--style-to")
    strength = scale = None
    if config.strength_at is not None:
        strength = parse_numbers(config.strength_at, "--strength-at", 0, 1)
    if config.strength_follows == "sound":
        if strength:
            raise InputError("--strength-at and --strength-follows both say it: leave out one")
        strength = _strength_of_sound(config)
    if config.style_scale_at is not None:
        scale = parse_numbers(config.style_scale_at, "--style-scale-at", 0.25, 4)
    return Styles(style, regions_of(config, style), strength, scale)


def _strength_of_sound(config: VideoConfig) -> Schedule[float]:
    """Return the strengths that follow a video's loudness."""
    if is_live(config.input_video):
        raise InputError("--strength-follows sound: a camera's sound is not heard")
    span = (config.input_video, config.start, config.duration, frame_rate(config.rate))
    with open_video(*span) as video:
        info = video.info
    levels = loudness(info)
    if info.frames:
        levels = levels[: max(1, int(info.frames / info.rate / STEP))]
    values = tuple((QUIET + (1 - QUIET) * levels).tolist())
    times = tuple(float(STEP * (index + Fraction(1, 2))) for index in range(len(values)))
    return Schedule("s", times, values, (False,) * len(values), "--strength-follows")


def grade_of(config: PictureConfig | VideoConfig) -> Grade:
    """Return what the options ask for in the end."""
    return Grade(config.saturation, config.contrast, config.tones)


@dataclass(frozen=True)
class Paint:
    """What images are painted with.

    Args:
        codes: (K, D), on the net's device; one for each of `Styles.keys`.
        dtype: to compute in.
        identity: the identity's code (1, D).
        identity_weight: its weight in the codes, see `forward.stylize`.
        grain: amplitude of the noise that the net was trained with; 0 is none.
        detail: how much of the photo's lines and shading is drawn in, see `forward.drawing`.
        scales: the style scales that there are codes for.
        scaled_codes: (S, K + 1, D), the codes at each of them, the identity's last; None where
            there is one scale only.
        style_scale: what the user wants the strokes to be multiplied by.
        grows: strokes grow with the picture: the scale is for a longer side of `REFERENCE_SIDE`.
        keys: paints by keyframes, in place of all that.
    """

    net: TransformerNet
    codes: Tensor
    dtype: torch.dtype
    identity: Tensor | None = None
    identity_weight: float | Tensor = 0.0
    grain: float = 0.0
    detail: float = 0.0
    scales: tuple[float, ...] = (1.0,)
    scaled_codes: Tensor | None = None
    style_scale: float = 1.0
    grows: bool = True
    keys: KeyPaint | None = None

    def for_size(self, size: tuple[int, int], factors: Sequence[float] = (1.0,)) -> "Paint":
        """Return the paint for images of a size (height, width), see `scale_at`.

        Args:
            factors: by which the scale will be multiplied over a video.
        """
        if self.scaled_codes is None:
            return self
        scale = self.style_scale
        if self.grows:
            for factor in {min(factors), max(factors)}:
                scale_at(self.scales, scale * factor, size)  # warns
            scale *= max(size) / REFERENCE_SIDE
        codes = interpolated_codes(self.scaled_codes, self.scales, scale)[:-1]
        return replace(self, codes=codes, style_scale=scale, grows=False)

    def at(self, moment: Moment) -> tuple[Tensor, float | Tensor]:
        """Return codes (R, D) of a moment of a video, and the identity's weight in them.

        Call it on what `for_size` gives.
        """
        codes, identity = self.codes, self.identity
        if moment.scale != 1 and self.scaled_codes is not None:
            scale = self.style_scale * moment.scale
            scaled = interpolated_codes(self.scaled_codes, self.scales, scale)
            codes, identity = scaled[:-1], scaled[-1:]
        elif self.scaled_codes is not None and moment.strength != 1:
            identity = interpolated_codes(self.scaled_codes, self.scales, self.style_scale)[-1:]
        mix = torch.tensor(moment.mix)
        weight = 1 - moment.strength * (1 - mix @ self._identity_weights)
        codes = mix.to(codes) @ codes
        if moment.strength != 1:
            codes = torch.lerp(identity, codes, moment.strength)
        return codes, weight.to(self.device) if weight.any() else 0.0

    @cached_property
    def _identity_weights(self) -> Tensor:
        """The identity's weight in each code (K,), on the CPU: a GPU is waited for once."""
        return torch.as_tensor(self.identity_weight).float().cpu().expand(len(self.codes))

    @property
    def device(self) -> torch.device:
        """The net's device."""
        return self.codes.device


def check_styles(
    config: PictureConfig | VideoConfig, checkpoint: Checkpoint, styles: Styles
) -> None:
    """Refuse what a checkpoint cannot paint, before a picture is learned, which takes long.

    Raises:
        InputError: the checkpoint lacks a style or a scale, or a picture cannot be read.
    """
    check_scale(checkpoint, config.style_scale)
    if checkpoint.encoder is None and styles.scale:
        if styles.pictures:
            raise InputError(
                "--style-scale-at is for included styles: leave it out, or give "
                f"--checkpoint {ANY_STYLE} for the picture"
            )
        if checkpoint.scaled_codes is None:
            raise InputError("this checkpoint knows one brush size: leave --style-scale-at out")
    tune = None if config.refine_steps == 0 else as_it_is
    _key_codes(checkpoint, styles, config.strength, config.style_scale, tune)


def mix_paint(
    config: PictureConfig | VideoConfig,
    checkpoint: Checkpoint,
    styles: Styles,
    contents: Callable[[], list[Tensor]],
    on_progress: OnProgress | None = None,
    net: TransformerNet | None = None,
    tune: Tune | None = None,
) -> Paint:
    """Find the styles' codes and put the net where it is to run; the checkpoint stays as it is.

    Args:
        contents: gives images to learn style pictures on.
        net: what `placed` gave; None places the checkpoint's now.
        tune: gives a picture's code; None learns it on `contents`, see `tuner_of`.

    Raises:
        InputError: the checkpoint lacks a style, or there is no such device.
    """
    device = choose_device(config.device)
    dtype = choose_dtype(config.precision, device)
    check_styles(config, checkpoint, styles)
    if styles.pictures and checkpoint.encoder is None:
        checkpoint = checkpoint.learnable()
    if tune is None and styles.pictures:
        tune = picture_tuner(config, checkpoint, len(set(styles.pictures)), contents, on_progress)
    codes, weights = _key_codes(checkpoint, styles, config.strength, config.style_scale, tune)
    scales, wanted = checkpoint.scales, config.style_scale
    grows, scaled = checkpoint.scaled_codes is not None, None
    if not grows and styles.scale:  # the encoder looks at the picture at each of them
        scales = tuple(sorted({wanted * factor for factor in styles.scale.values}))
    if grows or styles.scale:
        # What is learned is learned at one scale; what is predicted, at each.
        tuner = tune if checkpoint.encoder is None or not grows else None
        at_scales = [_key_codes(checkpoint, styles, config.strength, s, tuner)[0] for s in scales]
        identities = [checkpoint.at_scale(s).code(0) for s in scales]
        pairs = zip(at_scales, identities, strict=True)
        scaled = torch.stack([torch.cat(pair) for pair in pairs]).to(device)
    net = net or placed(checkpoint.net, device, dtype)
    identity = checkpoint.code(0).to(device)
    # On the device, but for the frequent 0: that is to be known without waiting for a GPU.
    weight = weights.to(device) if weights.any() else 0.0
    detail = checkpoint.detail if config.detail is None else config.detail
    return Paint(
        net, codes.to(device), dtype, identity, weight, checkpoint.grain, detail, scales, scaled,
        wanted, grows,
    )  # fmt: skip


def picture_tuner(
    config: PictureConfig | VideoConfig,
    checkpoint: Checkpoint,
    count: int,
    contents: Callable[[], list[Tensor]],
    on_progress: OnProgress | None = None,
) -> Tune | None:
    """Return what gives the codes of so many style pictures as the options say, see `tuner_of`."""
    exact = placed(checkpoint.net, choose_device(config.device), torch.float32)
    return tuner_of(
        checkpoint, exact, contents, config.refine_steps, config.precision, config.style_scale,
        count, on_progress,
    )  # fmt: skip


def _key_codes(
    checkpoint: Checkpoint, styles: Styles, strength: float, scale: float, tune: Tune | None
) -> tuple[Tensor, Tensor]:
    """Return what `style_codes` does for `Styles.keys`; errors say at what time a style is."""
    found = []
    for key in styles.keys:
        try:
            found.append(style_codes(checkpoint, (key,), strength, scale, tune))
        except InputError as error:
            for schedule in styles.schedules:
                if key in schedule.values:
                    time = schedule.written(schedule.values.index(key))
                    raise InputError(f"{schedule.option} at {time}: {error}") from error
            raise
    codes, weights = zip(*found, strict=True)
    return torch.cat(codes), torch.cat(weights)


def placed(net: TransformerNet, device: torch.device, dtype: torch.dtype) -> TransformerNet:
    """Return a net on a device and in a dtype; `net` itself, of the CPU in float32, stays there."""
    if (device.type, dtype) == ("cpu", torch.float32):
        return net
    return deepcopy(net).to(device, dtype)
