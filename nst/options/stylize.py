"""The options of stylizing pictures and videos, once: default, range and help.

Each command has one frozen dataclass. `nst.commands.parser` makes the command line from it, a TOML
file may set any field by its name, and a Python user builds it directly. No torch here: usage
errors and `--help` answer at once.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from nst.options.field import REQUIRED, option
from nst.options.optimize import (
    OPTIMIZE,
    OptimizeOptions,
    OptimizeVideoOptions,
    optimize_option,
)
from nst.options.paint import (
    METHODS,
    ONE_PASS,
    PaintOptions,
    RegionOptions,
    one_pass_option,
    region_option,
    style_option,
    time_option,
)
from nst.options.shared import (
    CHECKPOINT_HELP,
    FLOW_HELP,
    FLOW_SIDE_HELP,
    rate_option,
)
from nst.options.values import Timed

coherence_option = partial(option, group="coherence")
span_option = partial(option, group="span and sound")
encoding_option = partial(option, group="encoding")
film_option = partial(one_pass_option, group="long videos")


@dataclass(frozen=True, kw_only=True)
class PictureConfig(PaintOptions, RegionOptions, OptimizeOptions):
    """Options of style_transfer.py."""

    groups: ClassVar[tuple[str, ...]] = (
        REQUIRED,
        "style pictures",
        "output",
        "size and color",
        "losses",
        "optimization",
        "trained styles",
        "regions",
        "record",
        "machine",
    )

    content_path: Path = option(help="picture to paint, or a folder of pictures", metavar="PATH")
    output: Path | None = option(
        None,
        help="picture to write, or a folder for a folder; none takes CONTENT-STYLE.jpg here, with "
        "a number when that exists",
        group="output",
        metavar="PATH",
        common=True,
    )
    method: str = option(
        OPTIMIZE,
        help="optimize the pixels, for any picture as the style; or one pass of a trained net, "
        "for speed",
        group="output",
        choices=METHODS,
        common=True,
    )
    long_side: int | None = option(
        None,
        help="longer side of the result; none keeps the size, at most 512 with --method optimize",
        group="size and color",
        metavar="PIXELS",
        low=16,
        common=True,
    )
    checkpoint: str | None = style_option(
        None,
        help=CHECKPOINT_HELP,
        metavar="NAME",
    )
    init_image: str = optimize_option(
        "content",
        help="what the optimization begins from: content, style, noise or a picture's path",
        group="optimization",
        metavar="IMAGE",
    )
    content_mask: tuple[Path, ...] = optimize_option(
        (),
        help="for each region a gray picture, white where the region is in the content",
        group="style pictures",
        metavar="PICTURE",
    )
    style_mask: tuple[Path, ...] = optimize_option(
        (),
        help="for each --content-mask a gray picture, white where the style picture has its style",
        group="style pictures",
        metavar="PICTURE",
    )
    save_every: int | None = optimize_option(
        None,
        help="write the unfinished picture every so many steps",
        group="record",
        metavar="STEPS",
        low=1,
    )
    log_dir: Path | None = optimize_option(
        None, help="folder of a TensorBoard log; none writes none", group="record", metavar="FOLDER"
    )


@dataclass(frozen=True, kw_only=True)
class VideoConfig(PaintOptions, RegionOptions, OptimizeVideoOptions):
    """Options of stylize_video.py."""

    groups: ClassVar[tuple[str, ...]] = (
        REQUIRED,
        "output",
        "trained styles",
        "style pictures",
        "size and color",
        "regions",
        "over time",
        "coherence",
        "span and sound",
        "live",
        "encoding",
        "long videos",
        "machine",
        "losses",
        "optimization",
        "optimized video",
    )

    input_video: str = option(
        help="file, GIF, folder of frames, camera's number or URL", metavar="VIDEO"
    )
    output_video: Path | None = option(
        None,
        help="file, GIF or folder to write; needed without --show and --preview",
        group="output",
        metavar="PATH",
        common=True,
    )
    method: str = option(
        ONE_PASS,
        help="one pass of a trained net; or optimize each frame, finer and slow",
        group="output",
        choices=METHODS,
        common=True,
    )
    long_side: int | None = option(
        None,
        help="longer side of the result; none keeps the size",
        group="size and color",
        metavar="PIXELS",
        low=16,
        common=True,
    )
    preview: Path | None = one_pass_option(
        None,
        help="write only a picture of nine frames in these settings, of the masks of regions, and "
        "of the time and memory that the whole will take",
        group="output",
        metavar="PICTURE",
    )
    preview_styles: Path | None = one_pass_option(
        None,
        help="write only a picture of the middle frame in every style, or in each picture of a "
        "--style-path that is a folder",
        group="output",
        metavar="PICTURE",
    )
    compare: str = one_pass_option(
        "none",
        help="also write a second video, OUTPUT-compare, with the original: a wipe that moves, or "
        "both side by side or on top of each other",
        group="output",
        choices=("none", "wipe", "side", "top"),
        needs="output_video",
    )
    style_at: Timed | None = time_option(
        None,
        help="styles at times, such as '0 wave, 4 scream': seconds, 120f for frames, 50% of the "
        "clip; '4 cut scream' changes at once",
        metavar="TIMES",
    )
    style_to: str | None = time_option(
        None,
        help="the style, or picture, at the clip's end: the first one changes to it all along",
        metavar="STYLE",
    )
    strength_at: Timed | None = time_option(
        None, help="strengths at times, by which --strength is multiplied", metavar="TIMES"
    )
    strength_follows: str = time_option(
        "none",
        help="let the strength follow the loudness of the sound",
        choices=("none", "sound"),
    )
    style_scale_at: Timed | None = time_option(
        None, help="stroke sizes at times, by which --style-scale is multiplied", metavar="TIMES"
    )
    keyframe: tuple[str, ...] = time_option(
        (),
        help="frames painted by hand or any program, which the video follows: 0=a.png, 120f=b.png "
        "or 50%=c.png; transparent parts are not painted",
        metavar="TIME=PICTURE",
    )
    keyframe_steps: int = time_option(
        500,
        help="steps in which the net learns the keyframes",
        metavar="STEPS",
        low=0,
        needs="keyframe",
    )
    checkpoint: str | None = style_option(
        None,
        help=CHECKPOINT_HELP,
        metavar="NAME",
        common=True,
    )
    temporal_blend: float = one_pass_option(
        0.9,
        help="weight of the warped previous result, against flicker",
        group="coherence",
        metavar="FRACTION",
        low=0,
        high=0.95,
        common=True,
    )
    flow: str = coherence_option("auto", help=FLOW_HELP, choices=("auto", "raft", "dis", "none"))
    flow_long_side: int | None = coherence_option(
        None, help=FLOW_SIDE_HELP, metavar="PIXELS", low=32
    )
    report: Path | None = coherence_option(
        None,
        help="measure coherence and style on every frame and write the figures there, .json",
        metavar="FILE",
    )
    segment_every: int = region_option(
        3,
        help="frames from one search for classes to the next; masks follow the motion between",
        metavar="FRAMES",
        low=1,
        needs="region",
    )
    show: bool = one_pass_option(
        False, help="show the result in a window; q or Esc ends", group="live", common=True
    )
    mirror: bool = one_pass_option(False, help="swap left and right, like a mirror", group="live")
    start: float = span_option(
        0.0,
        help="begin at this second of the input",
        metavar="SECONDS",
        low=0,
        common=True,
    )
    duration: float | None = span_option(
        None,
        help="stylize only this long; none goes to the end",
        metavar="SECONDS",
        low=0,
        common=True,
    )
    deinterlace: bool = span_option(False, help="turn interlaced frames into progressive ones")
    keep_audio: bool = span_option(True, help="copy the sound")
    rate: float = rate_option(group="span and sound")
    codec: str | None = encoding_option(
        None,
        help="encoder, such as libx265 or prores_ks; png or tiff of a folder; none fits the ending",
        metavar="NAME",
    )
    pix_fmt: str | None = encoding_option(
        None,
        help="pixels to write, by FFmpeg's name: yuv420p10le for 10 bits, rgb48 for a folder of 16-"
        "bit pictures; none fits the codec",
        metavar="NAME",
    )
    hwaccel: str = one_pass_option(
        "auto",
        help="auto decodes on the GPU when the net is there and FFmpeg can; none on the CPU",
        group="encoding",
        choices=("auto", "none"),
    )
    crf: int = encoding_option(
        18,
        help="encoder's quality: lower is better and makes larger files",
        metavar="NUMBER",
        low=0,
        high=63,
    )
    preset: str = encoding_option(
        "veryfast",
        help="encoder's effort, from ultrafast to veryslow",
        metavar="NAME",
    )
    plan: Path | None = film_option(
        None,
        help="for many machines: find the cuts and write the shots there, .json; with --part or "
        "--join read them",
        metavar="FILE",
    )
    part: str | None = film_option(
        None,
        help="paint part K of N of the --plan, what is unfinished of it; auto takes the numbers "
        "of a Slurm array, or RANK and WORLD_SIZE",
        metavar="K/N",
    )
    join: bool = film_option(False, help="join the painted parts of the --plan")
    ray: str | None = film_option(
        None,
        help="paint on a Ray cluster, that of this machine or of RAY_ADDRESS (auto) or another; "
        "needs nst[ray]",
        metavar="ADDRESS",
    )
    workers: int | None = film_option(
        None,
        help="paint in so many processes, which take the GPUs in turn; for that the cuts are found "
        "first; none is one, one for each GPU, or on a Ray cluster as many as have room",
        metavar="COUNT",
        low=1,
        high=256,
    )
