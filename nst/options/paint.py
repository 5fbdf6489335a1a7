"""The options of both scripts, pictures' and videos': which style, where, and how to paint.

No torch here: usage errors and `--help` answer at once.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nst.options.field import Checked, option
from nst.options.optimize import OPTIMIZE, StylePictureOptions
from nst.options.shared import device_option, precision_option, quiet_option

ONE_PASS = "one-pass"
METHODS = (OPTIMIZE, ONE_PASS)
one_pass_option = partial(option, method=ONE_PASS)
time_option = partial(one_pass_option, group="over time")
region_option = partial(one_pass_option, group="regions")
style_option = partial(one_pass_option, group="trained styles")
color_option = partial(one_pass_option, group="size and color")


@dataclass(frozen=True, kw_only=True)
class RegionOptions(Checked):
    """Options of both scripts that give parts of a picture a style of their own."""

    region: tuple[str, ...] = region_option(
        (),
        help="style of a region, such as person=great_wave or cat,dog=original. Classes: Pascal "
        "VOC's, background, people, animals, vehicles, foreground, faces; with --masks a gray "
        "level, color or name",
        metavar="CLASSES=STYLE",
        common=True,
    )
    masks: Path | None = region_option(
        None,
        help="masks of your own in place of found classes: pictures or a video whose gray levels "
        "(255) or colors (#ff0000) are the regions, or a folder with a mask for each name",
        metavar="PATH",
        needs="region",
    )
    feather: float = region_option(
        2.0,
        help="width over which neighboring regions fade into each other",
        metavar="PIXELS",
        low=0,
        high=200,
        needs="region",
    )
    segmenter: str = region_option(
        "auto",
        help="DeepLabV3 network that finds the classes; auto takes the best that is installed",
        choices=("auto", "resnet101", "resnet50", "mobilenet", "small"),
        needs="region",
    )
    mask_output: Path | None = region_option(
        None,
        help="also write the masks, as a picture or video to look at",
        metavar="PATH",
        needs="region",
    )


@dataclass(frozen=True, kw_only=True)
class StyleOptions(StylePictureOptions):
    """Options that say which style, wherever a net takes one."""

    style: str | None = style_option(
        None,
        help="a style of the checkpoint, 'wave*0.5+scream*0.5' for a blend, 'wave:0.6' for a "
        "strength",
        metavar="STYLE",
        common=True,
    )
    strength: float = style_option(
        1.0,
        help="from 0, the input as it is, to 1, the full style",
        metavar="FRACTION",
        low=0,
        high=1,
        common=True,
    )
    refine_steps: int | None = one_pass_option(
        None,
        help="steps of learning a --style-path on the input; none takes 100, or 20 where the "
        "--checkpoint predicts the style first, as any_style does; 0 takes what it predicts",
        group="style pictures",
        metavar="STEPS",
        low=0,
    )


@dataclass(frozen=True, kw_only=True)
class PaintOptions(StyleOptions):
    """Options of both scripts that say how to paint, and on what machine."""

    preserve_color: str = option(
        "none",
        help="colors of the input to keep",
        group="size and color",
        choices=("none", "luminance", "histogram"),
        common=True,
    )
    detail: float | None = color_option(
        None,
        help="how much of the input's lines and shading is drawn into the painting; none takes 0.5 "
        "for nets that work at half the resolution, as fast does, and 0 for others",
        metavar="FRACTION",
        low=0,
        high=2,
    )
    look: str | None = color_option(
        None,
        help="settings that go together: soft, bold, poster, ink, natural, or a TOML file of your "
        "own; other options win over its",
        metavar="NAME",
    )
    saturation: float = color_option(
        1.0,
        help="what the result's colors are multiplied by; 0 is black and white",
        metavar="FACTOR",
        low=0,
        high=4,
    )
    contrast: float = color_option(
        1.0,
        help="what the result's lightness is multiplied by, around a middle gray",
        metavar="FACTOR",
        low=0.1,
        high=10,
    )
    tones: int | None = color_option(
        None,
        help="levels of lightness in the result, as in a poster; none leaves all",
        metavar="COUNT",
        low=2,
        high=32,
    )
    device: str = device_option()
    precision: str = precision_option()
    quiet: bool = quiet_option()
