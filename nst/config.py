"""Every option of the three scripts, once: its default, its range and its help.

Each script has one frozen dataclass. `cli.py` makes the command line from it, a TOML file may set
any field by its name, and a Python user builds it directly. No torch here: usage errors and
`--help` answer at once.
"""

from dataclasses import dataclass
from pathlib import Path

from nst.optimize_options import OptimizeOptions, OptimizeVideoOptions, StylePictureOptions
from nst.options import Checked, option

DEVICE_HELP = "auto, cpu, cuda or cuda:N; auto takes a GPU when there is one"
PRECISION_HELP = "auto takes bfloat16 where this machine computes it faster"
PRECISIONS = ("auto", "float32", "bfloat16")
METHODS = ("optimize", "one-pass")
COLORS = ("none", "luminance", "histogram")
COLOR_HELP = "colours of the input to keep"
CHECKPOINT_HELP = "net made by train.py, or quality, fast, any_style; none takes "
STYLE_HELP = "a style of the checkpoint, 'wave*0.5+scream*0.5', 'wave:0.6'"
FLOW_HELP = "what finds the motion: auto takes raft on a GPU that has its weights, else dis"
FLOW_SIDE_HELP = "longer side at which motion is found; none takes 512 for raft, 320 for dis"


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


@dataclass(frozen=True)
class TrainConfig(Checked):
    """Options of train.py."""

    content_dir: Path = option(help="folder of photos and videos, searched with its subfolders")
    style_dir: Path = option(help="folder of style pictures, named by their files; or one picture")
    output: Path = option(help="checkpoint to write, .safetensors")
    any_style: bool = option(
        False,
        help="train an encoder that turns any picture into a style; subfolders of --style-dir have "
        "equal chances, --style-size is the side of square crops",
    )
    steps: int = option(20000, help="steps of the optimiser", low=1)
    batch: int = option(4, help="pictures a step, on each process", low=1)
    size: int = option(256, help="pixels of the square photo crops", low=64)
    style_size: int = option(
        384, help="pixels of a style picture's shorter side: larger gives larger strokes", low=64
    )
    learning_rate: float = option(
        2e-3, help="its peak: a short rise, then half a cosine to 0", low=0
    )
    warmup_steps: int = option(200, help="steps of the rise", group="losses", low=0)
    init: str | None = option(
        None,
        help="start from this checkpoint (or 'quality', 'fast'); new styles get new codes",
        group="going on",
    )
    only_codes: bool = option(
        False,
        help="with --init: train the codes, leave the net's convolutions",
        group="going on",
    )
    resume: bool = option(
        False, help="go on where the interrupted run of --output stopped", group="going on"
    )
    widths: tuple[int, ...] | None = option(
        None,
        help="channels of the three encoder stages; none takes 32 64 128, or those of --init. "
        "With --init a multiple of its widths: the net grows",
        group="net",
        low=4,
    )
    blocks: int = option(5, help="residual blocks", group="net", low=1)
    content_weight: float = option(1.0, help="weight of the content loss", group="losses", low=0)
    style_weight: float = option(10.0, help="weight of the style loss", group="losses", low=0)
    tv_weight: float = option(0.5, help="weight of the total variation", group="losses", low=0)
    temporal_weight: float = option(
        0.0,
        help="weight of the change along made-up motion, against flicker; 0 leaves it out",
        group="losses",
        low=0,
    )
    temporal_feature_weight: float = option(
        1.0,
        help="weight of the change of the encoder's features along it, with --temporal-weight",
        group="losses",
        low=0,
    )
    identity_share: float = option(
        0.1, help="share of the samples that train 'leave it alone', for --strength",
        group="losses", low=0, high=0.9,
    )  # fmt: skip
    content_layers: tuple[str, ...] = option(
        ("relu3_1",), help="VGG-19 layers of the content loss", group="losses"
    )
    style_layers: tuple[str, ...] = option(
        ("relu1_1", "relu2_1", "relu3_1", "relu4_1"),
        help="VGG-19 layers of the style loss", group="losses",
    )  # fmt: skip
    vgg: Path | None = option(
        None, help="VGG-19 weights; none looks for them and fetches them", group="losses"
    )
    log_dir: Path | None = option(
        None, help="TensorBoard's folder; none makes one beside --output", group="record"
    )
    log_every: int = option(50, help="steps between two entries of the log", group="record", low=1)
    save_every: int = option(500, help="steps between two checkpoints", group="record", low=1)
    validate_every: int = option(
        500, help="steps between two looks at held-out photos", group="record", low=1
    )
    holdout: int = option(
        4, help="photos kept out of training to validate on", group="record", low=1
    )
    seed: int = option(
        0, help="start of all random numbers", group="machine", low=0, high=2**32 - 1
    )
    workers: int = option(2, help="processes that load pictures", group="machine", low=0)
    device: str = option("auto", help=DEVICE_HELP, group="machine")
    precision: str = option("auto", help=PRECISION_HELP, group="machine", choices=PRECISIONS)
    quiet: bool = option(False, help="show no progress", group="machine")
