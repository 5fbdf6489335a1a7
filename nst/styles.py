"""The little language of `--style`: names, blends and strengths, turned into one code.

wave                    a style of the checkpoint
wave*0.5+scream*0.5     a blend; its shares are scaled to sum to 1
wave:0.6                with a strength: 0 leaves the picture alone, 1 is the full style
"""

from math import isfinite, nan

import torch
from torch import Tensor

from nst.checkpoint import IDENTITY, Checkpoint
from nst.errors import InputError


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
    total = sum(shares.values())
    if total <= 0:
        raise InputError(f"the shares of {text!r} sum to 0: give one of them more")
    return {name: share / total for name, share in shares.items()}, strength


def shares_of(checkpoint: Checkpoint, text: str | None) -> tuple[dict[str, float], float]:
    """Return `parse_style`'s answer; None is the checkpoint's first style."""
    return parse_style(text) if text is not None else ({checkpoint.styles[1]: 1.0}, 1.0)


def style_code(checkpoint: Checkpoint, text: str | None, strength: float = 1.0) -> Tensor:
    """Return the code (1, D) of a style as the user wrote it; None takes the first one.

    Blending and strength are sums of codes: the strength moves from the code of "leave it alone"
    to the style's, and that of the text is multiplied by `strength`.

    Raises:
        InputError: the text cannot be read, or the checkpoint has no such style.
    """
    names = [name for name in checkpoint.styles if name != IDENTITY]
    shares, own_strength = shares_of(checkpoint, text)
    if unknown := [name for name in shares if name not in checkpoint.styles]:
        raise InputError(f"no style {unknown[0]!r}; there are: {', '.join(names)}")
    row = torch.zeros(1, len(checkpoint.styles))
    for name, share in shares.items():
        row[0, checkpoint.styles.index(name)] = share * own_strength * strength
    row[0, checkpoint.styles.index(IDENTITY)] += 1 - own_strength * strength
    return row.to(checkpoint.codes) @ checkpoint.codes


def identity_share(text: str | None, strength: float = 1.0) -> float:
    """Return how much of a style's code is the identity's, by its strength or its name: 0 to 1.

    >>> identity_share("wave:0.5", 0.5), identity_share("wave*3+identity")
    (0.75, 0.25)
    """
    shares, own_strength = parse_style(text) if text is not None else ({}, 1.0)
    return 1 - own_strength * strength * (1 - shares.get(IDENTITY, 0.0))


def _number(text: str, whole: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = nan
    if not isfinite(number):
        raise InputError(f"{text!r} in {whole!r} is not a number")
    return number
