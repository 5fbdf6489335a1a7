"""The options of the other commands: styles, evaluate, export, studio and options."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from nst.options.field import REQUIRED, Checked, option
from nst.options.paint import StyleOptions
from nst.options.shared import (
    CHECKPOINT_HELP,
    DEVICE_HELP,
    FLOW_HELP,
    FLOW_SIDE_HELP,
    FRAME_RATE_HELP,
    PRECISION_HELP,
    PRECISIONS,
    QUIET_HELP,
    STYLE_PICTURE_SIDE,
    VGG_HELP,
)


@dataclass(frozen=True)
class CatalogueConfig(Checked):
    """Options of `python -m nst styles`."""

    groups: ClassVar[tuple[str, ...]] = ("sheet", "machine")

    checkpoint: str | None = option(
        None,
        help="net made by train.py, or fast, any_style; none lists both of these",
        group="sheet",
        metavar="NAME",
        common=True,
    )
    output: Path | None = option(
        None,
        help="picture to write: what each style was learned from, above a photo in it",
        group="sheet",
        metavar="PICTURE",
        common=True,
    )
    content_path: Path | None = option(
        None,
        help="the photo; none takes one that comes with scikit-image",
        group="sheet",
        metavar="PICTURE",
        common=True,
    )
    quiet: bool = option(False, help=QUIET_HELP, group="machine", common=True)


@dataclass(frozen=True)
class EvaluationConfig(Checked):
    """Options of `python -m nst evaluate`."""

    groups: ClassVar[tuple[str, ...]] = (REQUIRED, "measurement", "motion", "machine")

    original: Path = option(help="original video: file, GIF or folder of frames", metavar="VIDEO")
    stylized: Path = option(
        help="stylized video, made by any tool, with the same frames", metavar="VIDEO"
    )
    style_path: Path | None = option(
        None,
        help="the style picture; none measures neither style nor content",
        group="measurement",
        metavar="PICTURE",
        common=True,
    )
    alone: Path | None = option(
        None,
        help="the same video stylized without temporal blending: gives lost detail and ghosts",
        group="measurement",
        metavar="VIDEO",
    )
    output: Path | None = option(
        None,
        help="report to write, .json; a plot and a contact sheet are written beside it",
        group="measurement",
        metavar="FILE",
        common=True,
    )
    style_size: int = option(
        STYLE_PICTURE_SIDE,
        help="shorter side of the style picture",
        group="measurement",
        metavar="PIXELS",
        low=64,
        common=True,
        needs="style_path",
    )
    long_side: int | None = option(
        None,
        help="measure at this longer side; none takes that of --stylized",
        group="measurement",
        metavar="PIXELS",
        low=64,
        common=True,
    )
    rate: float = option(
        25.0,
        help=FRAME_RATE_HELP,
        group="measurement",
        metavar="FPS",
        low=0.01,
        high=1000,
        common=True,
    )
    vgg_every: int = option(
        8,
        help="measure style and content on every so-many-th frame",
        group="measurement",
        metavar="FRAMES",
        low=1,
        needs="style_path",
    )
    vgg: Path | None = option(
        None, help=VGG_HELP, group="measurement", metavar="FILE", needs="style_path"
    )
    flow: str = option("auto", help=FLOW_HELP, group="motion", choices=("auto", "raft", "dis"))
    flow_long_side: int | None = option(
        512, help=FLOW_SIDE_HELP, group="motion", metavar="PIXELS", low=32
    )
    flow_dir: Path | None = option(
        None,
        help="folder with the true flow, one .flo from each frame to the next: gives e_stab",
        group="motion",
        metavar="FOLDER",
    )
    occlusion_dir: Path | None = option(
        None,
        help="folder of pictures, white where e_stab is not measured",
        group="motion",
        metavar="FOLDER",
        needs="flow_dir",
    )
    device: str = option("auto", help=DEVICE_HELP, group="machine", metavar="DEVICE", common=True)
    quiet: bool = option(False, help=QUIET_HELP, group="machine", common=True)


@dataclass(frozen=True, kw_only=True)
class ExportConfig(StyleOptions):
    """Options of `python -m nst export`."""

    groups: ClassVar[tuple[str, ...]] = (REQUIRED, "model", "trained styles", "style pictures")

    output: Path = option(help="file to write, .onnx", metavar="FILE")
    checkpoint: str | None = option(
        None,
        help=CHECKPOINT_HELP + "fast, or what --style-path needs",
        group="model",
        metavar="NAME",
        common=True,
    )
    fixed_size: tuple[int, ...] | None = option(
        None,
        help="height and width, for a runtime that needs to know them; none takes any size",
        group="model",
        metavar="PIXELS",
        low=16,
        common=True,
    )


@dataclass(frozen=True)
class StudioConfig(Checked):
    """Options of `nst studio`."""

    groups: ClassVar[tuple[str, ...]] = ("files", "page", "machine")

    folder: Path | None = option(
        None,
        help="pictures, videos and checkpoints below it can be opened on the page; none opens only "
        "what is dropped there",
        group="files",
        metavar="FOLDER",
        common=True,
    )
    output_dir: Path = option(
        Path("nst-studio"),
        help="folder of results, trained styles, dropped files and the queue; made where it is not "
        "there",
        group="files",
        metavar="FOLDER",
        common=True,
    )
    port: int | None = option(
        None,
        help="port of this machine (127.0.0.1) that the page is at; none takes a free one",
        group="page",
        metavar="NUMBER",
        low=1,
        high=65535,
        common=True,
    )
    browser: bool = option(True, help="open the page in the browser", group="page", common=True)
    device: str = option("auto", help=DEVICE_HELP, group="machine", metavar="DEVICE", common=True)
    precision: str = option("auto", help=PRECISION_HELP, group="machine", choices=PRECISIONS)
    quiet: bool = option(False, help=QUIET_HELP, group="machine", common=True)


@dataclass(frozen=True)
class OptionsConfig(Checked):
    """Options of `python -m nst options`: none."""
