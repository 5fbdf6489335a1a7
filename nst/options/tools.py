"""The options of the other commands: styles, evaluate, export and options."""

from dataclasses import dataclass
from pathlib import Path

from nst.options.field import Checked, option
from nst.options.shared import (
    CHECKPOINT_HELP,
    DEVICE_HELP,
    FLOW_HELP,
    FLOW_SIDE_HELP,
    STYLE_PICTURE_SIDE,
)
from nst.options.stylize import StyleOptions


@dataclass(frozen=True)
class CatalogueConfig(Checked):
    """Options of `python -m nst styles`."""

    checkpoint: str | None = option(
        None, help="net made by train.py, or quality, fast, any_style; none lists all of these"
    )
    output: Path | None = option(
        None, help="picture to write: what each style was learned from, above a photo in it"
    )
    content_path: Path | None = option(
        None, help="the photo; none takes one that comes with scikit-image"
    )
    quiet: bool = option(False, help="show no progress", group="machine")


@dataclass(frozen=True)
class EvaluationConfig(Checked):
    """Options of `python -m nst evaluate`."""

    original: Path = option(help="the video as it was: file, GIF or folder of frames")
    stylized: Path = option(help="the video as any tool made it, frame for frame")
    style: Path | None = option(None, help="the style picture; none leaves out style and content")
    alone: Path | None = option(
        None,
        help="the same made without memory of earlier frames: gives lost detail and ghosts",
    )
    output: Path | None = option(
        None, help="report to write, .json; a plot and a contact sheet come beside it"
    )
    style_size: int = option(
        STYLE_PICTURE_SIDE, help="pixels of the style picture's shorter side", low=64
    )
    long_side: int | None = option(
        None, help="measure at this longer side; none takes that of --stylized", low=64
    )
    rate: float = option(25.0, help="frames a second of a folder of frames", low=0.01, high=1000)
    flow: str = option("auto", help=FLOW_HELP, group="motion", choices=("auto", "raft", "dis"))
    flow_long_side: int | None = option(512, help=FLOW_SIDE_HELP, group="motion", low=32)
    flow_dir: Path | None = option(
        None,
        help="folder with the true flow, one .flo from each frame to the next: gives e_stab",
        group="motion",
    )
    occlusion_dir: Path | None = option(
        None, help="with --flow-dir: folder of pictures, white where not to look", group="motion"
    )
    vgg: Path | None = option(
        None, help="VGG-19 weights; none looks for them and fetches them", group="machine"
    )
    vgg_every: int = option(
        8, help="look at style and content on each so many-th frame", group="machine", low=1
    )
    device: str = option("auto", help=DEVICE_HELP, group="machine")
    quiet: bool = option(False, help="show no progress", group="machine")


@dataclass(frozen=True, kw_only=True)
class ExportConfig(StyleOptions):
    """Options of `python -m nst export`."""

    output: Path = option(help="file to write, .onnx")
    checkpoint: str | None = option(
        None, help=CHECKPOINT_HELP + "fast, or what --style-path needs", group="one-pass"
    )
    fixed_size: tuple[int, ...] | None = option(
        None,
        help="height and width, for a runtime that needs to know them; none takes any",
        low=16,
    )


@dataclass(frozen=True)
class OptionsConfig(Checked):
    """Options of `python -m nst options`: none."""
