"""Styles turned into codes: looked up, predicted from a picture, blended, at a strength."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nst.errors import InputError
from nst.models.checkpoint import IDENTITY, Checkpoint
from nst.options.stylize import StyleOptions
from nst.styles.pictures import load_style
from nst.styles.spec import is_path, names_of, row_of, shares_of, wanted_shares

# The shorter side of a style picture, in pixels: strokes are as in a painting of this height.
STYLE_SIDE = 256
# A picture's image and its predicted code -> a better code.
Tune = Callable[[Tensor, Tensor], Tensor]


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
        if (row := row_of(checkpoint, name)) is not None:
            rows.append(checkpoint.codes[row][None])
        elif is_path(name):
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
