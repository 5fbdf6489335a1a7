"""What `--region` says, read once into `Regions`: which part of a picture takes which style.

person=wave             a class that DeepLabV3 knows
cat,dog=wave:0.5        several; a style as everywhere
people=wave             a group: people, animals, vehicles, foreground
background=original     stays as it is

With masks of the user's own, a region is a gray level (255), a color (#ff0000) or a file's name.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nst.core.progress import warn
from nst.errors import InputError
from nst.models.deeplab import CLASSES
from nst.options.stylize import PictureConfig, VideoConfig
from nst.styles.spec import ORIGINAL, StyleSpec, parse_style

BACKGROUND = CLASSES[0]
GROUPS = {
    "people": ("person",),
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

    styles: tuple[StyleSpec, ...]
    rows: dict[str, int]
    rest: int

    def restored(self, stylized: Tensor, content: Tensor, weights: Tensor) -> Tensor:
        """Return `stylized` with the regions that stay original put back; weights (1, K, H, W)."""
        for row, style in enumerate(self.styles):
            if style.is_original:
                stylized = torch.lerp(stylized, content, weights[:, row : row + 1])
        return stylized

    def membership(self) -> Tensor:
        """Return (K, 21), 1 where a class of `CLASSES` takes a style."""
        rows = [self.rows.get(name, self.rest) for name in CLASSES]
        return F.one_hot(torch.tensor(rows), len(self.styles)).t().float()


def regions_of(config: PictureConfig | VideoConfig, style: StyleSpec | None) -> Regions | None:
    """Return the regions that the options ask for; None when there are none.

    Args:
        style: that of the whole picture, see `styles.spec.style_of`.

    Raises:
        InputError: a region cannot be read.
    """
    if not config.region:
        return None
    return parse_regions(config.region, style, config.masks is not None)


def parse_regions(texts: tuple[str, ...], style: StyleSpec | None, own_masks: bool) -> Regions:
    """Read the regions of `--region`.

    What no region names takes `style`; without one it goes with the background, and when that is
    not named either, it stays original.

    Args:
        own_masks: the labels are those of the user's masks, not classes.

    Raises:
        InputError: a region cannot be read, is unknown, or is named twice.
    """
    styles: list[StyleSpec] = []
    rows: dict[str, int] = {}

    def row_of(style: StyleSpec) -> int:
        if style not in styles:
            styles.append(style)
        return styles.index(style)

    for text in texts:
        labels, equals, chosen = (part.strip() for part in text.partition("="))
        if not (labels and equals and chosen):
            raise InputError(f"--region is {text!r}; write it like person=wave or cat,dog=original")
        for label in labels.split(","):
            for name in [label.strip()] if own_masks else _classes(label.strip()):
                if name in rows:
                    raise InputError(f"--region {text!r}: {name} is named twice; name it once")
                rows[name] = row_of(parse_style(chosen))
    everything = not own_masks and len(rows) == len(CLASSES)
    if own_masks and style is not None and BACKGROUND in rows:
        raise InputError("--style and --region background both style the rest: leave out one")
    if everything:
        rest = rows[BACKGROUND]
    elif style is not None:
        rest = row_of(style)
    else:
        rest = rows[BACKGROUND] if BACKGROUND in rows else row_of(parse_style(ORIGINAL))
    return Regions(tuple(styles), rows, rest)


def _classes(name: str) -> tuple[str, ...]:
    if name in GROUPS:
        return GROUPS[name]
    if name not in CLASSES:
        raise InputError(
            f"--region {name!r} is no class; there are {', '.join(CLASSES)}, "
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
