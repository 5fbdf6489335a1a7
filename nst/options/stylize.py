"""The options of stylizing pictures and videos, once: default, range and help.

Each command has one frozen dataclass. `nst.commands.parser` makes the command line from it, a TOML
file may set any field by its name, and a Python user builds it directly. No torch here: usage
errors and `--help` answer at once.
"""

from dataclasses import dataclass
from pathlib import Path

from nst.options.field import Checked, option
from nst.options.optimize import OptimizeOptions, OptimizeVideoOptions, StylePictureOptions
from nst.options.shared import (
    CHECKPOINT_HELP,
    DEVICE_HELP,
    FLOW_HELP,
    FLOW_SIDE_HELP,
    PRECISION_HELP,
    PRECISIONS,
)

METHODS = ("optimize", "one-pass")
COLORS = ("none", "luminance", "histogram")
COLOR_HELP = "colours of the input to keep"
STYLE_HELP = "a style of the checkpoint, 'wave*0.5+scream*0.5', 'wave:0.6'"


@dataclass(frozen=True, kw_only=True)
class RegionOptions(Checked):
    """Options of both scripts that give parts of a picture a style of their own."""

    region: tuple[str, ...] = option(
        (),
        help="CLASSES=STYLE, such as person=wave or cat,dog=original; once more for each region. "
        "The classes are those of Pascal VOC, background, people, animals, vehicles and "
        "foreground; what is not named takes --style, else goes with the background. With --masks "
        "a grey level (255), a colour (#ff0000) or a mask's name stands for the class",
        group="regions",
    )
    masks: Path | None = option(
        None,
        help="masks of your own: pictures or a video of grey levels or colours; or a folder with "
        "one for each name, white where the region is",
        group="regions",
    )
    feather: float = option(
        2.0, help="pixels over which regions fade into each other", group="regions", low=0, high=200
    )
    segmenter: str = option(
        "auto",
        help="the DeepLabV3 that finds the classes; auto takes the best at hand",
        group="regions",
        choices=("auto", "resnet101", "resnet50", "mobilenet", "small"),
    )
    mask_output: Path | None = option(
        None, help="write the masks here, to look at", group="regions"
    )


@dataclass(frozen=True, kw_only=True)
class StyleOptions(StylePictureOptions):
    """Options that say which style, wherever a net takes one."""

    style: str | None = option(None, help=STYLE_HELP + "; none takes the first")
    style_path: tuple[Path, ...] | None = option(
        None, help="any picture as the style, or several to blend"
    )
    strength: float = option(
        1.0,
        help="0 leaves the input alone, 1 is the full style",
        group="one-pass",
        low=0,
        high=1,
    )
    refine_steps: int = option(
        20,
        help="steps of tuning its code on what is painted; 0 takes what the encoder says",
        group="any style",
        low=0,
    )


@dataclass(frozen=True, kw_only=True)
class PaintOptions(StyleOptions):
    """Options of both scripts that say what to paint with, and on what machine."""

    preserve_color: str = option("none", help=COLOR_HELP, choices=COLORS)
    device: str = option("auto", help=DEVICE_HELP, group="machine")
    precision: str = option("auto", help=PRECISION_HELP, group="machine", choices=PRECISIONS)
    quiet: bool = option(False, help="show no progress", group="machine")


@dataclass(frozen=True, kw_only=True)
class PictureConfig(PaintOptions, RegionOptions, OptimizeOptions):
    """Options of style_transfer.py."""

    content_path: Path = option(help="picture to paint, or a folder of pictures")
    output: Path = option(help="picture to write, or a folder when --content-path is one")
    method: str = option(
        "optimize", help="optimize the pixels, or one pass of a net", choices=METHODS
    )
    checkpoint: str | None = option(
        None, help=CHECKPOINT_HELP + "quality, or what --style-path needs", group="one-pass"
    )
    long_side: int | None = option(
        None,
        help="pixels of the longer side; none takes at most 512, one-pass keeps the size",
        low=16,
        also="size",
    )
    init: str = option(
        "content", help="begin from: content, style, noise or a picture's path", group="optimize"
    )
    content_mask: tuple[Path, ...] = option(
        (), help="grey pictures, white where a region of the content is", group="optimize"
    )
    style_mask: tuple[Path, ...] = option(
        (), help="as many, where each region's style is found", group="optimize"
    )
    save_every: int | None = option(
        None, help="write the picture so far every so many steps", group="record", low=1
    )
    log_dir: Path | None = option(
        None, help="TensorBoard's folder; none writes no log", group="record"
    )


@dataclass(frozen=True, kw_only=True)
class VideoConfig(PaintOptions, RegionOptions, OptimizeVideoOptions):
    """Options of stylize_video.py."""

    input_video: str = option(help="file, GIF, folder of frames, camera's number or stream's URL")
    output_video: Path | None = option(None, help="file, GIF or folder to write, by its ending")
    method: str = option("one-pass", help="optimize paints the finest and is slow", choices=METHODS)
    style_to: str | None = option(
        None, help="fade to this style, or picture, over the clip", group="any style"
    )
    checkpoint: str | None = option(
        None, help=CHECKPOINT_HELP + "fast, or what --style-path needs", group="one-pass"
    )
    flow: str = option(
        "auto",
        help=FLOW_HELP,
        group="coherence",
        choices=("auto", "raft", "dis", "none"),
    )
    flow_long_side: int | None = option(
        None,
        help=FLOW_SIDE_HELP,
        group="coherence",
        low=32,
    )
    temporal_blend: float = option(
        0.8,
        help="share of the last result, carried along the motion, against flicker; 0 is none",
        group="coherence",
        low=0,
        high=0.95,
    )
    report: Path | None = option(
        None,
        help="write the figures of coherence and style there, .json, measured on each frame",
        group="coherence",
    )
    long_side: int | None = option(
        None, help="pixels of the longer side; none keeps the size", low=16
    )
    segment_every: int = option(
        3,
        help="frames from one look for classes to the next; masks follow the motion between",
        group="regions",
        low=1,
    )
    show: bool = option(False, help="show it in a window; q or Esc ends", group="live")
    mirror: bool = option(False, help="turn left and right round, as a mirror", group="live")
    start: float = option(0.0, help="begin here, in seconds", group="span and sound", low=0)
    duration: float | None = option(
        None, help="stop after so many seconds; none goes to the end", group="span and sound", low=0
    )
    keep_audio: bool = option(True, help="copy the sound", group="span and sound")
    rate: float = option(
        25.0,
        help="frames a second of a folder of frames",
        group="span and sound",
        low=0.01,
        high=1000,
    )
    codec: str | None = option(
        None,
        help="encoder, such as libx264, libx265 or ffv1; none suits the ending",
        group="encoding",
    )
    crf: int = option(
        18, help="encoder's quality: lower is better and larger", group="encoding", low=0, high=63
    )
    preset: str = option(
        "veryfast", help="encoder's effort, ultrafast to veryslow", group="encoding"
    )
