"""What the user calls a style, read: names and pictures, blends and strengths.

wave                    a style of the checkpoint
wave*0.5+scream*0.5     a blend; its shares are scaled to sum to 1
wave:0.6                with a strength: 0 leaves the picture alone, 1 is the full style
path/to.jpg:0.6         any picture, where the checkpoint has an encoder
"""

from math import isfinite, nan
from pathlib import Path
from unicodedata import normalize

from nst.errors import InputError
from nst.media.picture_reader import READABLE
from nst.models.checkpoint import IDENTITY, Checkpoint
from nst.options.stylize import StyleOptions

ANY_STYLE = "any_style"


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


def identity_share(text: str | None, strength: float = 1.0) -> float:
    """Return how much of a style's code is the identity's, by its strength or its name: 0 to 1.

    >>> identity_share("wave:0.5", 0.5), identity_share("wave*3+identity")
    (0.75, 0.25)
    """
    shares, own_strength = parse_style(text) if text is not None else ({}, 1.0)
    return 1 - own_strength * strength * (1 - shares.get(IDENTITY, 0.0))


def row_of(checkpoint: Checkpoint, name: str) -> int | None:
    """Return the row of a style's code by its name, in any normal form; None if it has none."""
    names = [normalize("NFC", each) for each in checkpoint.styles]
    return names.index(known) if (known := normalize("NFC", name)) in names else None


def is_picture(text: str) -> bool:
    """Tell whether a style is written as a picture's path: a file, or what ends like one.

    >>> is_picture("art/wave.jpg:0.5"), is_picture("wave:0.5")
    (True, False)
    """
    shares, _ = parse_style(text)
    return any(map(is_path, shares))


def is_path(name: str) -> bool:
    """Tell whether a name of a style, without its weight and strength, is a picture's path."""
    return Path(name).suffix.lower() in READABLE or Path(name).is_file()


def wanted_checkpoint(config: StyleOptions, otherwise: str) -> str:
    """Return which checkpoint to load: that of the user, one for pictures as styles, or another."""
    regions = [text.partition("=")[2] for text in getattr(config, "region", ())]
    texts = [config.style, getattr(config, "style_to", None), *regions]
    pictures = config.style_path or any(is_picture(text) for text in texts if text)
    return config.checkpoint or (ANY_STYLE if pictures else otherwise)


def wanted_shares(config: StyleOptions, checkpoint: Checkpoint) -> tuple[dict[str, float], float]:
    """Return what --style, or --style-path with --blend, ask for, as `parse_style` does.

    Raises:
        InputError: they contradict each other, or cannot be read.
    """
    paths, weights = config.style_path, config.blend
    if not paths:
        if weights:
            raise InputError("--blend needs --style-path, a picture for each weight")
        return shares_of(checkpoint, config.style)
    if config.style is not None:
        raise InputError("--style and --style-path were both given: leave out one")
    if weights and len(weights) != len(paths):
        raise InputError(
            f"--blend has {len(weights)} numbers; --style-path has {len(paths)} pictures"
        )
    shares: dict[str, float] = {}
    for path, weight in zip(paths, weights or (1.0,) * len(paths), strict=True):
        shares[str(path)] = shares.get(str(path), 0.0) + weight
    return _scaled(shares, "--blend"), 1.0


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
