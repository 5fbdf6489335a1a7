"""The little language of `--region`: which part of a picture takes which style.

person=wave             a class that DeepLabV3 knows
cat,dog=wave:0.5        several; a style as everywhere
people=wave             a group: people, animals, vehicles, foreground
background=original     what is left alone

With masks of the user's own, a region is a grey level (255), a colour (#ff0000) or a file's name.
"""

import warnings
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nst.errors import InputError
from nst.models.checkpoint import IDENTITY, Checkpoint
from nst.models.deeplab import CLASSES
from nst.options.field import flag_of
from nst.options.stylize import PictureConfig, VideoConfig
from nst.styles.codes import Tune, chosen_style, style_code
from nst.styles.spec import identity_share

BACKGROUND, ORIGINAL = CLASSES[0], "original"
GROUPS = {
    "people": ("person",),
    "animals": ("bird", "cat", "cow", "dog", "horse", "sheep"),
    "vehicles": ("aeroplane", "bicycle", "boat", "bus", "car", "motorbike", "train"),
    "foreground": CLASSES[1:],
}


@dataclass(frozen=True)
class Regions:
    """Who takes which style.

    Args:
        styles: the K different ones, as the user wrote them; `original` leaves the picture alone.
        rows: the style's number of each label that was named.
        rest: the style's number of everything else.
    """

    styles: tuple[str, ...]
    rows: dict[str, int]
    rest: int

    def restored(self, painted: Tensor, content: Tensor, weights: Tensor) -> Tensor:
        """Return `painted` with what is to be left alone put back; weights are (1, K, H, W)."""
        if ORIGINAL not in self.styles:
            return painted
        row = self.styles.index(ORIGINAL)
        return torch.lerp(painted, content, weights[:, row : row + 1])

    def membership(self) -> Tensor:
        """Return (K, 21), 1 where a class of `CLASSES` takes a style."""
        rows = [self.rows.get(name, self.rest) for name in CLASSES]
        return F.one_hot(torch.tensor(rows), len(self.styles)).t().float()

    def codes(
        self, checkpoint: Checkpoint, strength: float, scale: float = 1.0, tune: Tune | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the styles' codes (K, D) and the share that is the identity's in each (K,).

        See `styles.style_code`.

        Raises:
            InputError: a style cannot be read, or the checkpoint does not have it.
        """
        # What is put back afterwards is painted as itself, so that nothing else shines through
        # where it fades into a style.
        texts = [IDENTITY if style == ORIGINAL else style for style in self.styles]
        codes = [style_code(checkpoint, text, strength, scale, tune) for text in texts]
        shares = torch.tensor([identity_share(text, strength) for text in texts])
        return torch.cat(codes), shares.to(codes[0])


def chosen_styles(
    config: PictureConfig | VideoConfig, checkpoint: Checkpoint, tune: Tune | None = None
) -> tuple[Regions | None, Tensor, Tensor]:
    """Return what a script's options say of styles: the regions, None when there are none; the
    codes (K, D); the share (K,) of each that is the identity's.

    Raises:
        InputError: they cannot be read, or options are given that need regions.
    """
    if config.region:
        if config.style_path:
            raise InputError(
                "--style-path is for the whole picture: with --region write it as a style, "
                "such as person=path.jpg, or as --style path.jpg"
            )
        regions = parse_regions(config.region, config.style, config.masks is not None)
        codes = regions.codes(checkpoint, config.strength, config.style_scale, tune)
        return regions, *codes
    for name in ("masks", "mask_output"):
        if getattr(config, name) is not None:
            raise InputError(f"{flag_of(name)} needs --region: say which part takes which style")
    code, share = chosen_style(config, checkpoint, tune)
    return None, code, torch.tensor([share])


def parse_regions(texts: tuple[str, ...], style: str | None, own_masks: bool) -> Regions:
    """Read the options `--region` and `--style`.

    What no region names takes `style`; without one it goes with the background, and when that is
    not named either, it is left alone.

    Args:
        own_masks: labels are those of the user's masks, not classes.

    Raises:
        InputError: a region cannot be read, is unknown, or is named twice.
    """
    styles: list[str] = []
    rows: dict[str, int] = {}

    def row_of(text: str) -> int:
        if text not in styles:
            styles.append(text)
        return styles.index(text)

    for text in texts:
        labels, equals, chosen = (part.strip() for part in text.partition("="))
        if not (labels and equals and chosen):
            raise InputError(f"--region is {text!r}; write it like person=wave or cat,dog=original")
        for label in labels.split(","):
            for name in [label.strip()] if own_masks else _classes(label.strip()):
                if name in rows:
                    raise InputError(f"--region {text!r}: {name} is named twice; say it once")
                rows[name] = row_of(chosen)
    everything = not own_masks and len(rows) == len(CLASSES)
    if own_masks and style is not None and BACKGROUND in rows:
        raise InputError("--style and --region background both say what is left over: give one")
    if everything:
        rest = rows[BACKGROUND]
    elif style is not None:
        rest = row_of(style)
    else:
        rest = rows[BACKGROUND] if BACKGROUND in rows else row_of(ORIGINAL)
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
            warnings.warn(f"nothing took {style} ({labels}): {why}", stacklevel=3)
