"""Styles turned into codes: looked up, predicted from a picture, blended, at a strength."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from nst.core.progress import warn
from nst.errors import InputError
from nst.models.checkpoint import ANY_STYLE, IDENTITY, Checkpoint
from nst.options.shared import STYLE_PICTURE_SIDE
from nst.styles.pictures import load_style
from nst.styles.spec import ORIGINAL, StyleSpec, first_style, names_of, row_of

# Pixels of a style picture's shorter side when its code is predicted: strokes are as large as in a
# painting of this height.
STYLE_SIDE = 256
# Longer side of a picture, in pixels, in which strokes are as wide as in training.
REFERENCE_SIDE = 640
# A style picture (1, 3, H, W) and the code to begin with, predicted or the mean of others, to its
# code; both (1, D), or (1, D + W) with kernels.
Tune = Callable[[Tensor, Tensor], Tensor]


def as_it_is(_: Tensor, code: Tensor) -> Tensor:
    """Return the code to begin with: a `Tune` that takes no time."""
    return code


def check_scale(checkpoint: Checkpoint, style_scale: float) -> None:
    """Refuse a style scale of a checkpoint whose styles were trained at one scale only.

    Raises:
        InputError: says so.
    """
    if style_scale != 1 and checkpoint.scaled_codes is None and checkpoint.encoder is None:
        raise InputError("this checkpoint knows one brush size: leave --style-scale out")


def scale_at(scales: tuple[float, ...], style_scale: float, size: tuple[int, int]) -> float:
    """Return the style scale of pictures of a size (height, width): strokes grow with them.

    It is `style_scale` for a longer side of `REFERENCE_SIDE` pixels and in proportion for others,
    within those that were trained; a warning says where that limits what the user asked for.

    Args:
        scales: those of the checkpoint, rising.
    """
    scale = style_scale * max(size) / REFERENCE_SIDE
    nearest = min(max(scale, scales[0]), scales[-1])
    if style_scale != 1 and scale != nearest:
        warn(
            f"--style-scale {style_scale:g} makes {scale:.2g} at this size; this checkpoint "
            f"knows {scales[0]:g} to {scales[-1]:g}: taking {nearest:g}"
        )
    return nearest


def style_code(
    checkpoint: Checkpoint,
    style: StyleSpec | None,
    strength: float = 1.0,
    scale: float = 1.0,
    tune: Tune | None = None,
) -> Tensor:
    """Return the code of a style, see `Checkpoint.code`; None takes the checkpoint's first.

    Blends and strengths are weighted sums of codes: the strength interpolates from the identity's
    code to the style's.

    Args:
        strength: multiplies the style's own, 0 to 1.
        scale: brush size; 2 doubles it.
        tune: gives a picture's code; None takes what the encoder predicts.

    Raises:
        InputError: the checkpoint has no such style, or a picture cannot be read.
    """
    checkpoint = checkpoint.at_scale(scale)
    style = style or first_style(checkpoint)
    rows = []
    for name, _ in style.weights:
        if isinstance(name, Path):
            rows.append(_picture_code(checkpoint, name, scale, tune))
        else:
            rows.append(_named_code(checkpoint, name))
    weights = torch.tensor([[weight for _, weight in style.weights]])
    identity = _named_code(checkpoint, IDENTITY)
    return torch.lerp(identity, weights @ torch.cat(rows), style.strength * strength)


def style_codes(
    checkpoint: Checkpoint,
    styles: Sequence[StyleSpec | None],
    strength: float = 1.0,
    scale: float = 1.0,
    tune: Tune | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the codes (K, D) of styles and the identity's weight (K,) in each; see `style_code`.

    Raises:
        InputError: the checkpoint lacks one of them.
    """
    found = [style or first_style(checkpoint) for style in styles]
    codes = [style_code(checkpoint, style, strength, scale, tune) for style in found]
    weights = [style.identity_weight(strength) for style in found]
    return torch.cat(codes), torch.tensor(weights)


def _named_code(checkpoint: Checkpoint, name: str) -> Tensor:
    """Return the code of one of a checkpoint's own styles."""
    row = row_of(checkpoint, IDENTITY if name == ORIGINAL else name)
    if row is None:
        names = ", ".join(names_of(checkpoint)) or "none of its own, give a picture's path"
        raise InputError(f"no style {name!r}; there are: {names}")
    return checkpoint.code(row)


def _picture_code(checkpoint: Checkpoint, path: Path, scale: float, tune: Tune | None) -> Tensor:
    """Return the code of a picture: predicted by the encoder and tuned, or learned."""
    if checkpoint.encoder is None:
        if tune is None:
            raise InputError(
                f"this checkpoint has to learn {path}: give more --refine-steps than 0, "
                f"or --checkpoint {ANY_STYLE}, which predicts a style"
            )
        return tune(load_style(path, STYLE_PICTURE_SIDE), checkpoint.middle)
    picture = load_style(path, round(STYLE_SIDE * scale))
    with torch.no_grad():
        code = checkpoint.encoder(picture)
    return checkpoint.whole(tune(picture, code) if tune else code)
