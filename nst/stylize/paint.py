"""What a net paints with: the styles that the options ask for, read, and turned into codes."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor

from nst.core.device import choose_device, choose_dtype
from nst.core.progress import OnProgress
from nst.errors import InputError
from nst.models.checkpoint import Checkpoint, load_checkpoint
from nst.models.transformer_net import TransformerNet
from nst.options.stylize import PictureConfig, VideoConfig
from nst.regions.spec import Regions, regions_of
from nst.styles.codes import style_codes
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
    """

    net: TransformerNet
    codes: Tensor
    dtype: torch.dtype
    identity: Tensor | None = None
    identity_weight: float | Tensor = 0.0
    fade_to: tuple[Tensor, float] | None = None
    grain: float = 0.0

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
) -> Paint:
    """Find the styles' codes and put the net where it is to run; the checkpoint stays as it is.

    Args:
        contents: gives images to tune the codes of pictures on.
        net: what `placed` gave; None places the checkpoint's now.

    Raises:
        InputError: the checkpoint lacks a style, or there is no such device.
    """
    device = choose_device(config.device)
    dtype = choose_dtype(config.precision, device)
    checkpoint = checkpoint.at_scale(config.style_scale)
    tune = code_tuner(checkpoint.net, contents, config.refine_steps, config.precision, on_progress)
    options = config.strength, config.style_scale, tune
    codes, weights = style_codes(checkpoint, styles.painted, *options)
    fade_to = None
    if styles.fade_to:
        last, last_weight = style_codes(checkpoint, (styles.fade_to,), *options)
        fade_to = last.to(device), float(last_weight)
    net = net or placed(checkpoint.net, device, dtype)
    identity = checkpoint.codes[:1].to(device)
    return Paint(net, codes.to(device), dtype, identity, weights, fade_to, checkpoint.grain)


def placed(net: TransformerNet, device: torch.device, dtype: torch.dtype) -> TransformerNet:
    """Return a net on a device and in a dtype; `net` itself, of the CPU in float32, stays there."""
    if (device.type, dtype) == ("cpu", torch.float32):
        return net
    return deepcopy(net).to(device, dtype)
