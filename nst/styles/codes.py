"""What the user calls a style, turned into one code: names and pictures, blends and strengths.

wave                    a style of the checkpoint
wave*0.5+scream*0.5     a blend; its shares are scaled to sum to 1
wave:0.6                with a strength: 0 leaves the picture alone, 1 is the full style
path/to.jpg:0.6         any picture, where the checkpoint has an encoder
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from math import isfinite, nan
from pathlib import Path

import torch
from torch import Tensor

from nst.errors import InputError
from nst.media.images import READABLE, load_image
from nst.models.checkpoint import IDENTITY, Checkpoint
from nst.options.stylize import StyleOptions
from nst.styles.pictures import load_style

# The shorter side of a style picture, in pixels: strokes are as in a painting of this height.
STYLE_SIDE = 256
MEASURED_SIDE = 384  # and when it is measured by
ANY_STYLE = "any_style"
# A picture's image and its predicted code -> a better code.
Tune = Callable[[Tensor, Tensor], Tensor]


def parse_style(text: str) -> tuple[dict[str, float], float]:
    """Read a style into ({name: share}, strength); the shares sum to 1.

    Raises:
        InputError: it cannot be read, or a number is out of range.

    >>> parse_style("wave*3+scream*1:0.5")
    ({'wave': 0.75, 'scream': 0.25}, 0.5)
    """
    blend, colon, strength_text = text.partition(":")
    strength = _number(strength_text, text) if colon else 1.0
    if not 0 <= strength <= 1:
        raise InputError(f"the strength in {text!r} is {strength:g}; it must be from 0 to 1")
    shares: dict[str, float] = {}
    for term in blend.split("+"):
        name, star, share_text = (part.strip() for part in term.partition("*"))
        share = _number(share_text, text) if star else 1.0
        if not name or share < 0:
            raise InputError(f"{text!r} is no style: write it like 'wave*0.5+scream*0.5:0.8'")
        shares[name] = shares.get(name, 0.0) + share
    return _scaled(shares, text), strength


def names_of(checkpoint: Checkpoint) -> list[str]:
    """Return the names of a checkpoint's own styles, without "leave it alone"."""
    return [name for name in checkpoint.styles if name != IDENTITY]


def shares_of(checkpoint: Checkpoint, text: str | None) -> tuple[dict[str, float], float]:
    """Return `parse_style`'s answer; None is the checkpoint's first style."""
    if text is not None:
        return parse_style(text)
    names = names_of(checkpoint)
    if not names:
        raise InputError("this checkpoint has no styles of its own: give --style-path")
    return {names[0]: 1.0}, 1.0


def style_code(
    checkpoint: Checkpoint,
    text: str | None,
    strength: float = 1.0,
    scale: float = 1.0,
    tune: Tune | None = None,
) -> Tensor:
    """Return the code (1, D) of a style as the user wrote it; None takes the first one.

    Blending and strength are sums of codes: the strength moves from the code of "leave it alone"
    to the style's, and that of the text is multiplied by `strength`.

    Args:
        scale: of a picture's strokes.
        tune: betters the code of each picture.

    Raises:
        InputError: the text cannot be read, or the checkpoint has no such style.
    """
    shares, own_strength = shares_of(checkpoint, text)
    return _blended(checkpoint, shares, own_strength * strength, scale, tune)


def identity_share(text: str | None, strength: float = 1.0) -> float:
    """Return how much of a style's code is the identity's, by its strength or its name: 0 to 1.

    >>> identity_share("wave:0.5", 0.5), identity_share("wave*3+identity")
    (0.75, 0.25)
    """
    shares, own_strength = parse_style(text) if text is not None else ({}, 1.0)
    return 1 - own_strength * strength * (1 - shares.get(IDENTITY, 0.0))


def is_picture(text: str) -> bool:
    """Tell whether a style is written as a picture's path, by its ending.

    >>> is_picture("art/wave.jpg:0.5"), is_picture("wave:0.5")
    (True, False)
    """
    shares, _ = parse_style(text)
    return any(Path(name).suffix.lower() in READABLE for name in shares)


def wanted_checkpoint(config: StyleOptions, otherwise: str) -> str:
    """Return which checkpoint to load: that of the user, one for pictures as styles, or another."""
    regions = [text.partition("=")[2] for text in getattr(config, "region", ())]
    texts = [config.style, getattr(config, "style_to", None), *regions]
    pictures = config.style_path or any(is_picture(text) for text in texts if text)
    return config.checkpoint or (ANY_STYLE if pictures else otherwise)


def wanted_shares(config: StyleOptions, checkpoint: Checkpoint) -> tuple[dict[str, float], float]:
    """Return what --style, or --style-path with --style-weights, ask for, as `parse_style` does.

    Raises:
        InputError: they contradict each other, or cannot be read.
    """
    paths, weights = config.style_path, config.style_weights
    if not paths:
        if weights:
            raise InputError("--style-weights needs --style-path, a picture for each weight")
        return shares_of(checkpoint, config.style)
    if config.style is not None:
        raise InputError("--style and --style-path were both given: leave out one")
    if weights and len(weights) != len(paths):
        raise InputError(
            f"--style-weights has {len(weights)} numbers; --style-path has {len(paths)} pictures"
        )
    shares: dict[str, float] = {}
    for path, weight in zip(paths, weights or (1.0,) * len(paths), strict=True):
        shares[str(path)] = shares.get(str(path), 0.0) + weight
    return _scaled(shares, "--style-weights"), 1.0


def chosen_style(
    config: StyleOptions, checkpoint: Checkpoint, tune: Tune | None = None
) -> tuple[Tensor, float]:
    """Return the code (1, D) that --style or --style-path ask for, and the identity's share in it.

    Raises:
        InputError: they contradict each other, or the checkpoint cannot do it.
    """
    shares, strength = wanted_shares(config, checkpoint)
    strength *= config.strength
    code = _blended(checkpoint, shares, strength, config.style_scale, tune)
    return code, 1 - strength * (1 - shares.get(IDENTITY, 0.0))


def style_pictures(checkpoint: Checkpoint, shares: dict[str, float]) -> dict[str, Tensor]:
    """Return the pictures that styles were taken from, by name.

    Raises:
        InputError: the checkpoint does not carry one of them.
    """
    pictures = {}
    for name in shares:
        if name in checkpoint.pictures:
            pictures[name] = load_image(BytesIO(checkpoint.pictures[name]))
        elif name not in checkpoint.styles:
            pictures[name] = load_style(Path(name), MEASURED_SIDE)
        else:
            raise InputError(f"this checkpoint carries no picture of the style {name!r}")
    return pictures


@dataclass(frozen=True)
class CrossFade:
    """From one style to another over a clip.

    Args:
        first, last: codes (1, D).
        first_share, last_share: of the identity in them.
        frames: of the clip.

    Raises:
        InputError: it is not known how many frames there are.
    """

    first: Tensor
    first_share: float
    last: Tensor
    last_share: float
    frames: int | None

    def __post_init__(self) -> None:
        if self.frames is None:
            raise InputError("--style-to needs a clip whose length is known, not a camera")

    def at(self, index: int) -> tuple[Tensor, float]:
        """Return the code of a frame and the identity's share in it."""
        way = min(1.0, index / max(1, self.frames - 1))
        share = self.first_share + way * (self.last_share - self.first_share)
        return torch.lerp(self.first, self.last, way), share


def _blended(
    checkpoint: Checkpoint,
    shares: dict[str, float],
    strength: float,
    scale: float = 1.0,
    tune: Tune | None = None,
) -> Tensor:
    rows = []
    for name in shares:
        if name in checkpoint.styles:
            rows.append(checkpoint.codes[checkpoint.styles.index(name)][None])
        elif Path(name).suffix.lower() in READABLE:
            rows.append(_picture_rows(checkpoint, [name], scale, tune))
        else:
            names = ", ".join(names_of(checkpoint)) or "none of its own, give a picture's path"
            raise InputError(f"no style {name!r}; there are: {names}")
    row = torch.tensor([[*shares.values()]])
    return _strengthened(checkpoint, row @ torch.cat(rows), strength)


def _picture_rows(
    checkpoint: Checkpoint, paths: list[str], scale: float, tune: Tune | None
) -> Tensor:
    if checkpoint.encoder is None:
        raise InputError(
            f"this checkpoint knows its own styles only, not {paths[0]}: leave --checkpoint out, "
            "or give one of train.py --any-style"
        )
    rows = []
    for path in paths:
        picture = load_style(Path(path), round(STYLE_SIDE * scale))
        with torch.no_grad():
            code = checkpoint.encoder(picture)
        rows.append(tune(picture, code) if tune else code)
    return torch.cat(rows)


def _strengthened(checkpoint: Checkpoint, code: Tensor, strength: float) -> Tensor:
    identity = checkpoint.codes[checkpoint.styles.index(IDENTITY)][None]
    return torch.lerp(identity, code, strength)


def _scaled(shares: dict[str, float], text: str) -> dict[str, float]:
    total = sum(shares.values())
    if total <= 0:
        raise InputError(f"the shares of {text!r} sum to 0: give one of them more")
    return {name: share / total for name, share in shares.items()}


def _number(text: str, whole: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = nan
    if not isfinite(number):
        raise InputError(f"{text!r} in {whole!r} is not a number")
    return number
