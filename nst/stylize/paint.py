"""What a net paints with: the styles that the options ask for, read, and turned into codes."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nst.core.device import choose_device, choose_dtype
from nst.core.progress import OnProgress
from nst.errors import InputError
from nst.models.checkpoint import Checkpoint, interpolated_codes, load_checkpoint
from nst.models.transformer_net import TransformerNet
from nst.options.stylize import PictureConfig, VideoConfig
from nst.regions.spec import Regions, regions_of
from nst.styles.codes import Tune, check_scale, scale_at, style_codes
from nst.styles.spec import StyleSpec, choose_checkpoint, parse_style, style_of
from nst.styles.tuning import code_tuner


@dataclass(frozen=True)
class Styles:
    """The styles that a run is asked to paint, read before anything is loaded.

    Args:
        style: of the whole picture, or of what no region names; None is the checkpoint's first.
        regions: which parts take styles of their own.
        fade_to: the style that a video ends with; None keeps the one it has.
    """

    style: StyleSpec | None
    regions: Regions | None = None
    fade_to: StyleSpec | None = None

    @property
    def painted(self) -> tuple[StyleSpec | None, ...]:
        """The K styles of the first frame, one for each code."""
        return self.regions.styles if self.regions else (self.style,)

    def load(self, given: str | None, default: str) -> Checkpoint:
        """Load the checkpoint that was given, or else one that can paint the styles."""
        return load_checkpoint(choose_checkpoint(given, (*self.painted, self.fade_to), default))


def read_styles(config: PictureConfig | VideoConfig) -> Styles:
    """Read every style that the options name.

    Raises:
        InputError: one cannot be read, or they contradict each other.
    """
    style = style_of(config)
    regions = regions_of(config, style)
    if not isinstance(config, VideoConfig) or config.style_to is None:
        return Styles(style, regions)
    if regions:
        raise InputError("--style-to fades the whole picture: leave out --region")
    return Styles(style, None, parse_style(config.style_to))


@dataclass(frozen=True)
class Paint:
    """What images are painted with.

    Args:
        codes: (K, D), on the net's device; one without regions.
        dtype: to compute in.
        identity: the identity's code (1, D).
        identity_weight: its weight in the codes, see `forward.stylize`.
        fade_to: code (1, D) and identity's weight that a video ends with.
        grain: amplitude of the noise that the net was trained with; 0 is none.
        scales: the style scales that the checkpoint was trained at.
        scaled_codes: (S, K + 1, D), all codes at each of them, that of `fade_to` (or the first once
            more) last; None where there is one scale only.
        style_scale: what the user wants the strokes to be multiplied by.
    """

    net: TransformerNet
    codes: Tensor
    dtype: torch.dtype
    identity: Tensor | None = None
    identity_weight: float | Tensor = 0.0
    fade_to: tuple[Tensor, float] | None = None
    grain: float = 0.0
    scales: tuple[float, ...] = (1.0,)
    scaled_codes: Tensor | None = None
    style_scale: float = 1.0

    def for_size(self, size: tuple[int, int]) -> "Paint":
        """Return the paint for images of a size (height, width), see `scale_at`."""
        if self.scaled_codes is None:
            return self
        scale = scale_at(self.scales, self.style_scale, size)
        codes = interpolated_codes(self.scaled_codes, self.scales, scale)
        fade_to = (codes[-1:], self.fade_to[1]) if self.fade_to else None
        return replace(self, codes=codes[:-1], fade_to=fade_to)

    @property
    def device(self) -> torch.device:
        """The net's device."""
        return self.codes.device


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
        contents: gives images to tune the codes of pictures on.
        net: what `placed` gave; None places the checkpoint's now.
        tune: improves the code that the encoder predicts; None tunes it on `contents`.

    Raises:
        InputError: the checkpoint lacks a style, or there is no such device.
    """
    device = choose_device(config.device)
    dtype = choose_dtype(config.precision, device)
    check_scale(checkpoint, config.style_scale)
    if tune is None and checkpoint.encoder and config.refine_steps:
        exact = placed(checkpoint.net, device, torch.float32)
        tune = code_tuner(exact, contents, config.refine_steps, config.precision, on_progress)
    options = config.strength, config.style_scale, tune
    codes, weights = style_codes(checkpoint, styles.painted, *options)
    fade_to, scaled = None, None
    if styles.fade_to:
        last, last_weight = style_codes(checkpoint, (styles.fade_to,), *options)
        fade_to = last.to(device), float(last_weight)
    if checkpoint.scaled_codes is not None:
        every = (*styles.painted, styles.fade_to or styles.painted[0])
        at_scales = [style_codes(checkpoint, every, config.strength, s) for s in checkpoint.scales]
        scaled = torch.stack([found for found, _ in at_scales]).to(device)
    net = net or placed(checkpoint.net, device, dtype)
    identity = checkpoint.codes[:1].to(device)
    # On the device, but for the frequent 0: that is to be known without waiting for a GPU.
    weight = weights.to(device) if weights.any() else 0.0
    return Paint(
        net, codes.to(device), dtype, identity, weight, fade_to, checkpoint.grain,
        checkpoint.scales, scaled, config.style_scale,
    )  # fmt: skip


def placed(net: TransformerNet, device: torch.device, dtype: torch.dtype) -> TransformerNet:
    """Return a net on a device and in a dtype; `net` itself, of the CPU in float32, stays there."""
    if (device.type, dtype) == ("cpu", torch.float32):
        return net
    return deepcopy(net).to(device, dtype)
