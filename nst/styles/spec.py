"""What the user calls a style, read once into a `StyleSpec`, the value that travels from there on.

wave                    a style of the checkpoint
wave*0.5+scream*0.5     a blend; its weights are scaled to sum to 1
wave:0.6                at a strength: 0 leaves the picture as it is, 1 is the full style
path/to.jpg:0.6         any picture, where the checkpoint has an encoder
original                the picture as it is

A file that exists is read as that file first, so a path may contain any of these marks. A bare
word is always a name: for a picture without an ending write ./wave.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from unicodedata import normalize

from nst.errors import InputError
from nst.media.picture_file import READABLE
from nst.models.checkpoint import IDENTITY, Checkpoint
from nst.options.paint import StyleOptions

ORIGINAL = "original"
FORBIDDEN_IN_NAMES = "*+:,="  # they have a meaning in --style and --region


@dataclass(frozen=True)
class StyleSpec:
    """A blend of named styles and style pictures, at a strength.

    Args:
        weights: each style, a name or the path of a picture, with its weight; they sum to 1.
        strength: 0 leaves the picture as it is, 1 is the full style.
    """

    weights: tuple[tuple[str | Path, float], ...]
    strength: float = 1.0

    @property
    def pictures(self) -> tuple[Path, ...]:
        """The style pictures in the blend."""
        return tuple(style for style, _ in self.weights if isinstance(style, Path))

    @property
    def is_original(self) -> bool:
        """Whether the picture is to be left exactly as it is."""
        return all(style == ORIGINAL for style, _ in self.weights)

    def identity_weight(self, strength: float = 1.0) -> float:
        """Return how much of the style's code is the identity's, by strength and by name, 0 to 1.

        Args:
            strength: multiplies the spec's own.

        >>> parse_style("wave:0.5").identity_weight(0.5)
        0.75
        >>> parse_style("wave*3+original").identity_weight()
        0.25
        """
        named = sum(weight for style, weight in self.weights if style in (IDENTITY, ORIGINAL))
        return 1 - self.strength * strength * (1 - named)

    def __str__(self) -> str:
        """Write the style as `parse_style` reads it.

        >>> str(parse_style("wave*3 + scream:0.5"))
        'wave*0.75+scream*0.25:0.5'
        """
        terms = [_written(style) for style, _ in self.weights]
        if len(terms) > 1:
            pairs = zip(terms, self.weights, strict=True)
            terms = [f"{term}*{weight:g}" for term, (_, weight) in pairs]
        return "+".join(terms) + (f":{self.strength:g}" if self.strength != 1 else "")


def parse_style(text: str) -> StyleSpec:
    """Read a style as the user wrote it.

    Raises:
        InputError: it cannot be read, or a number is out of range.

    >>> parse_style("wave*3+scream*1:0.5")
    StyleSpec(weights=(('wave', 0.75), ('scream', 0.25)), strength=0.5)
    """
    if _is_file(text):
        return StyleSpec(((_path(text), 1.0),))
    blend, strength = _number_after(text, ":")
    if not 0 <= strength <= 1:
        raise InputError(f"the strength in {text!r} is {strength:g}; it must be from 0 to 1")
    return StyleSpec(_scaled([_weighted(term, text) for term in _terms(blend)], text), strength)


def picture_style(paths: Sequence[str | Path], blend: Sequence[float] | None = None) -> StyleSpec:
    """Return the style of one picture, or a blend of several.

    Args:
        blend: the pictures' weights, of any sum; None weighs them alike.

    Raises:
        InputError: the numbers of pictures and weights differ, or the weights sum to 0.
    """
    weights = [1.0] * len(paths) if blend is None else blend
    if len(weights) != len(paths):
        raise InputError(
            f"--blend has {len(weights)} numbers; --style-path has {len(paths)} pictures"
        )
    pairs = [(Path(path), weight) for path, weight in zip(paths, weights, strict=True)]
    return StyleSpec(_scaled(pairs, "--blend"))


def style_of(config: StyleOptions) -> StyleSpec | None:
    """Return what --style, or --style-path, asks for; None is the checkpoint's first style.

    Raises:
        InputError: the options contradict each other, or cannot be read.
    """
    if config.style_path:
        if config.style is not None:
            raise InputError("--style and --style-path were both given: leave out one")
        return picture_style(config.style_path, config.blend)
    return None if config.style is None else parse_style(config.style)


def names_of(checkpoint: Checkpoint) -> list[str]:
    """Return the names of a checkpoint's own styles, without the identity."""
    return [name for name in checkpoint.styles if name != IDENTITY]


def row_of(checkpoint: Checkpoint, name: str) -> int | None:
    """Return the row of a style's code by its name, in any normal form; None if it has none."""
    names = [normalize("NFC", each) for each in checkpoint.styles]
    return names.index(known) if (known := normalize("NFC", name)) in names else None


def first_style(checkpoint: Checkpoint) -> StyleSpec:
    """Return the style that is taken when none is given.

    Raises:
        InputError: the checkpoint has no styles of its own.
    """
    names = names_of(checkpoint)
    if not names:
        raise InputError("this checkpoint has no styles of its own: give --style-path")
    return StyleSpec(((names[0], 1.0),))


def _terms(blend: str) -> Iterator[str]:
    """Split a blend at its plus signs, except those within the path of a file."""
    parts = blend.split("+")
    while parts:
        count = len(parts)
        while count > 1:
            term = "+".join(parts[:count]).strip()
            if _is_file(term) or _is_file(_number_after(term, "*")[0]):
                break
            count -= 1
        yield "+".join(parts[:count]).strip()
        parts = parts[count:]


def _weighted(term: str, text: str) -> tuple[str | Path, float]:
    """Read a term of a blend, such as "wave*0.5", into the style and its weight."""
    style, weight = (term, 1.0) if _is_file(term) else _number_after(term, "*")
    if _is_file(style) or Path(style).suffix.lower() in READABLE:
        found: str | Path = _path(style)
    else:
        found = style
    marked = isinstance(found, str) and any(mark in found for mark in FORBIDDEN_IN_NAMES)
    if not style or marked or not (isfinite(weight) and weight >= 0):
        raise InputError(f"{text!r} is no style: write it like 'wave*0.5+scream*0.5:0.8'")
    return found, weight


def _number_after(text: str, mark: str) -> tuple[str, float]:
    """Split off the number after the last `mark`; without one the text stays whole, with 1."""
    head, found, tail = text.rpartition(mark)
    try:
        return (head.strip(), float(tail)) if found else (text.strip(), 1.0)
    except ValueError:
        return text.strip(), 1.0


def _scaled(
    pairs: Iterable[tuple[str | Path, float]], text: str
) -> tuple[tuple[str | Path, float], ...]:
    """Scale weights to a sum of 1; a style that is named twice has both its weights."""
    sums: dict[str | Path, float] = {}
    for style, weight in pairs:
        sums[style] = sums.get(style, 0.0) + weight
    total = sum(sums.values())
    if total <= 0:
        raise InputError(f"the weights of {text!r} sum to 0: give one of them more")
    return tuple((style, weight / total) for style, weight in sums.items())


def _written(style: str | Path) -> str:
    bare = isinstance(style, Path) and style.name == str(style) and not style.suffix
    return f".{os.sep}{style}" if bare else str(style)


def _path(text: str) -> Path:
    return Path(os.path.expanduser(text))


def _is_file(text: str) -> bool:
    """Tell whether a text is the path of a file that exists, and more than a bare word."""
    path = _path(text)
    return (path.suffix != "" or path.name != text) and os.path.isfile(path)
