"""The options of the other commands: styles, evaluate, export, studio and options."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from nst.options.field import REQUIRED, Checked, option
from nst.options.paint import StyleOptions
from nst.options.shared import (
    CHECKPOINT_HELP,
    FLOW_HELP,
    FLOW_SIDE_HELP,
    STYLE_PICTURE_SIDE,
    VGG_HELP,
    device_option,
    precision_option,
    quiet_option,
    rate_option,
)

sheet_option = partial(option, group="sheet", common=True)
measurement_option = partial(option, group="measurement")
motion_option = partial(option, group="motion")
model_option = partial(option, group="model", common=True)
folder_option = partial(option, group="files", metavar="FOLDER", common=True)
page_option = partial(option, group="page", common=True)


@dataclass(frozen=True)
class CatalogueConfig(Checked):
    """Options of `python -m nst styles`."""

    groups: ClassVar[tuple[str, ...]] = ("sheet", "machine")

    checkpoint: str | None = sheet_option(
        None,
        help="net made by train.py, or fast, any_style; none lists both of these",
        metavar="NAME",
    )
    output: Path | None = sheet_option(
        None,
        help="picture to write: what each style was learned from, above a photo in it",
        metavar="PICTURE",
    )
    content_path: Path | None = sheet_option(
        None,
        help="the photo; none takes one that comes with scikit-image",
        metavar="PICTURE",
    )
    quiet: bool = quiet_option()


@dataclass(frozen=True)
class EvaluationConfig(Checked):
    """Options of `python -m nst evaluate`."""

    groups: ClassVar[tuple[str, ...]] = (REQUIRED, "measurement", "motion", "machine")

    original: Path = option(help="original video: file, GIF or folder of frames", metavar="VIDEO")
    stylized: Path = option(
        help="stylized video, made by any tool, with the same frames", metavar="VIDEO"
    )
    style_path: Path | None = measurement_option(
        None,
        help="the style picture; none measures neither style nor content",
        metavar="PICTURE",
        common=True,
    )
    alone: Path | None = measurement_option(
        None,
        help="the same video stylized without temporal blending: gives lost detail and ghosts",
        metavar="VIDEO",
    )
    output: Path | None = measurement_option(
        None,
        help="report to write, .json; a plot and a contact sheet are written beside it",
        metavar="FILE",
        common=True,
    )
    style_size: int = measurement_option(
        STYLE_PICTURE_SIDE,
        help="shorter side of the style picture",
        metavar="PIXELS",
        low=64,
        common=True,
        needs="style_path",
    )
    long_side: int | None = measurement_option(
        None,
        help="measure at this longer side; none takes that of --stylized",
        metavar="PIXELS",
        low=64,
        common=True,
    )
    rate: float = rate_option(group="measurement", common=True)
    vgg_every: int = measurement_option(
        8,
        help="measure style and content on every so-many-th frame",
        metavar="FRAMES",
        low=1,
        needs="style_path",
    )
    vgg: Path | None = measurement_option(None, help=VGG_HELP, metavar="FILE", needs="style_path")
    flow: str = motion_option("auto", help=FLOW_HELP, choices=("auto", "raft", "dis"))
    flow_long_side: int | None = motion_option(512, help=FLOW_SIDE_HELP, metavar="PIXELS", low=32)
    flow_dir: Path | None = motion_option(
        None,
        help="folder with the true flow, one .flo from each frame to the next: gives e_stab",
        metavar="FOLDER",
    )
    occlusion_dir: Path | None = motion_option(
        None,
        help="folder of pictures, white where e_stab is not measured",
        metavar="FOLDER",
        needs="flow_dir",
    )
    device: str = device_option()
    quiet: bool = quiet_option()


@dataclass(frozen=True, kw_only=True)
class ExportConfig(StyleOptions):
    """Options of `python -m nst export`."""

    groups: ClassVar[tuple[str, ...]] = (REQUIRED, "model", "trained styles", "style pictures")

    output: Path = option(help="file to write, .onnx", metavar="FILE")
    checkpoint: str | None = model_option(
        None,
        help=CHECKPOINT_HELP,
        metavar="NAME",
    )
    fixed_size: tuple[int, ...] | None = model_option(
        None,
        help="height and width, for a runtime that needs to know them; none takes any size",
        metavar="PIXELS",
        low=16,
    )


@dataclass(frozen=True)
class StudioConfig(Checked):
    """Options of `nst studio`."""

    groups: ClassVar[tuple[str, ...]] = ("files", "page", "machine")

    folder: Path | None = folder_option(
        None,
        help="pictures, videos and checkpoints below it can be opened on the page; none opens only "
        "what is dropped there",
    )
    output_dir: Path = folder_option(
        Path("nst-studio"),
        help="folder of results, trained styles, dropped files and the queue; made where it is not "
        "there",
    )
    port: int | None = page_option(
        None,
        help="port of this machine (127.0.0.1) that the page is at; none takes a free one",
        metavar="NUMBER",
        low=1,
        high=65535,
    )
    browser: bool = page_option(True, help="open the page in the browser")
    device: str = device_option()
    precision: str = precision_option()
    quiet: bool = quiet_option()


@dataclass(frozen=True)
class OptionsConfig(Checked):
    """Options of `python -m nst options`: none."""
