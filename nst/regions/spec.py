"""What `--region` says, read once into `Regions`: which part of a picture takes which style.

person=wave             a class that DeepLabV3 knows
cat,dog=wave:0.5        several; a style as everywhere
people=wave             a group: people, animals, vehicles, foreground
background=original     stays as it is
faces=:0.4              that of the person, or of the rest, at a part of its strength
person=0 wave, 4 scream styles at times, in a video

With masks of the user's own, a region is a gray level (255), a color (#ff0000) or a file's name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nst.core.progress import warn
from nst.errors import InputError
from nst.models.deeplab import CLASSES
from nst.options.stylize import PictureConfig, VideoConfig
from nst.styles.schedule import Schedule, is_scheduled, parse_styles
from nst.styles.spec import ORIGINAL, StyleSpec, parse_style
from nst.styles.timeline import Style

BACKGROUND = CLASSES[0]
FACES = "faces"  # found by a net of its own; a face is a part of a person and goes before it
PERSON = "person"
GROUPS = {
    "people": (PERSON,),
    "animals": ("bird", "cat", "cow", "dog", "horse", "sheep"),
    "vehicles": ("aeroplane", "bicycle", "boat", "bus", "car", "motorbike", "train"),
    "foreground": CLASSES[1:],
}


@dataclass(frozen=True)
class Regions:
    """Which part of a picture takes which style.

    Args:
        styles: the K different ones.
        rows: label (a class, or what the user's masks show) -> the index of its style.
        rest: the index of the style that everything else takes.
    """

    styles: tuple[StyleSpec | Schedule[StyleSpec], ...]
    rows: dict[str, int]
    rest: int

    def restored(
        self,
        stylized: Tensor,
        content: Tensor,
        weights: Tensor,
        originals: Sequence[float] | None = None,
    ) -> Tensor:
        """Return `stylized` with the regions that stay original put back.

        Args:
            weights: (1, K, H, W).
            originals: how far each stays original now, 0 to 1; None where nothing changes.
        """
        if originals is None:
            originals = [float(isinstance(s, StyleSpec) and s.is_original) for s in self.styles]
        for row, kept in enumerate(originals):
            if kept:
                stylized = torch.lerp(stylized, content, kept * weights[:, row : row + 1])
        return stylized

    @property
    def names_classes(self) -> bool:
        """Whether one of the labels is a class of `CLASSES`."""
        return not self.rows.keys().isdisjoint(CLASSES)

    def membership(self) -> Tensor:
        """Return (K, 21), 1 where a class of `CLASSES` takes a style."""
        rows = [self.rows.get(name, self.rest) for name in CLASSES]
        return F.one_hot(torch.tensor(rows), len(self.styles)).t().float()


def regions_of(config: PictureConfig | VideoConfig, style: Style) -> Regions | None:
    """Return the regions that the options ask for; None when there are none.

    Args:
        style: that of the whole picture, see `styles.spec.style_of`.

    Raises:
        InputError: a region cannot be read.
    """
    if not config.region:
        return None
    return parse_regions(config.region, style, config.masks is not None)


def parse_regions(texts: tuple[str, ...], style: Style, own_masks: bool) -> Regions:
    """Read the regions of `--region`.

    What no region names takes `style`; without one it goes with the background, and when that is
    not named either, it stays original.

    Args:
        own_masks: the labels are those of the user's masks, not classes.

    Raises:
        InputError: a region cannot be read, is unknown, or is named twice.
    """
    styles: list[StyleSpec | Schedule[StyleSpec]] = []
    rows: dict[str, int] = {}

    def row_of(style: StyleSpec | Schedule[StyleSpec]) -> int:
        if style not in styles:
            styles.append(style)
        return styles.index(style)

    weaker: dict[str, float] = {}
    for text in texts:
        labels, equals, chosen = (part.strip() for part in text.partition("="))
        if not (labels and equals and chosen):
            raise InputError(f"--region is {text!r}; write it like person=wave or cat,dog=original")
        for label in labels.split(","):
            for name in [label.strip()] if own_masks else _classes(label.strip()):
                if name in rows or name in weaker:
                    raise InputError(f"--region {text!r}: {name} is named twice; name it once")
                if chosen.startswith(":"):
                    weaker[name] = parse_style(f"{ORIGINAL}{chosen}").strength
                else:
                    rows[name] = row_of(_parse_chosen(chosen, labels))
    if own_masks and style is not None and BACKGROUND in rows:
        raise InputError("--style and --region background both style the rest: leave out one")
    if not own_masks and rows.keys() >= set(CLASSES):
        rest = rows[BACKGROUND]
    elif style is not None:
        rest = row_of(style)
    else:
        rest = rows[BACKGROUND] if BACKGROUND in rows else row_of(parse_style(ORIGINAL))
    for name, strength in weaker.items():
        base = styles[rows.get(PERSON, rest) if name == FACES else rest]
        if isinstance(base, StyleSpec) and base.is_original:
            raise InputError(
                f"--region {name}=:{strength:g} is a part of the strength of a style: give --style"
            )
        rows[name] = row_of(_weaker(base, strength))
    return Regions(tuple(styles), rows, rest)


def _weaker(style: StyleSpec | Schedule[StyleSpec], strength: float) -> Any:
    """Return a style at a part of its strength."""
    if isinstance(style, Schedule):
        return replace(style, values=tuple(_weaker(value, strength) for value in style.values))
    return replace(style, strength=style.strength * strength)


def _parse_chosen(text: str, labels: str) -> StyleSpec | Schedule[StyleSpec]:
    if is_scheduled(text) and not Path(text).is_file():
        return parse_styles(text, f"--region {labels}")
    return parse_style(text)


def _classes(name: str) -> tuple[str, ...]:
    if name in GROUPS:
        return GROUPS[name]
    if name not in (*CLASSES, FACES):
        raise InputError(
            f"--region {name!r} is no class; there are {', '.join(CLASSES)}, {FACES}, "
            f"and the groups {', '.join(GROUPS)}"
        )
    return (name,)


def warn_of_unused(regions: Regions, used: Tensor, why: str) -> None:
    """Warn of the styles that no pixel took.

    Args:
        used: (K,), true for a style that was used.
    """
    for row, style in enumerate(regions.styles):
        if not used[row] and row in regions.rows.values():
            labels = ", ".join(label for label, of in regions.rows.items() if of == row)
            warn(f"nothing took {style} ({labels}): {why}")
