"""The options of training."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from nst.options.field import REQUIRED, Checked, option
from nst.options.shared import (
    SEED_HELP,
    STYLE_LAYERS,
    STYLE_PICTURE_SIDE,
    VGG_HELP,
    device_option,
    machine_option,
    precision_option,
    quiet_option,
)

# Endings of what a run writes: the checkpoint, what it takes to resume, and the log's folder.
CHECKPOINT, STATE, LOG = ".safetensors", ".state.pt", ".log"

run_option = partial(option, group="run")
start_option = partial(option, group="starting point")
net_option = partial(option, group="net")
loss_option = partial(option, group="losses")
record_option = partial(option, group="record")


@dataclass(frozen=True)
class TrainConfig(Checked):
    """Options of train.py."""

    groups: ClassVar[tuple[str, ...]] = (
        REQUIRED,
        "run",
        "starting point",
        "losses",
        "net",
        "record",
        "machine",
    )

    recipe: ClassVar[str | None] = "auto"

    content_dir: Path = option(
        help="folder of photos and videos, searched with its subfolders", metavar="FOLDER"
    )
    style_dir: Path = option(
        help="folder of style pictures, each a style named after its file; or one picture",
        metavar="FOLDER",
    )
    output: Path | None = run_option(
        None,
        help="checkpoint to write; none takes STYLE_DIR.safetensors here, with a number when that "
        "exists",
        metavar="FILE",
        common=True,
    )
    any_style: bool = run_option(
        False,
        help="train an encoder that turns any picture into a style; subfolders of --style-dir get "
        "equal chances, and --style-size is the side of square crops",
        common=True,
        instead_of="only_codes",
    )
    minutes: float | None = run_option(
        None,
        help="train this long: the learning rate falls with the clock",
        metavar="MINUTES",
        low=0.05,
        common=True,
        instead_of="steps",
    )
    steps: int | None = run_option(
        None,
        help="train for this many optimizer steps, in place of --minutes",
        metavar="STEPS",
        low=1,
        common=True,
        instead_of="minutes",
    )
    batch: int = run_option(
        8, help="photos in each step, on each process", metavar="COUNT", low=1, common=True
    )
    pictures_per_style: int = run_option(
        2,
        help="successive photos of a batch that are compared with the style as one canvas; all "
        "photos of a step take one style",
        metavar="COUNT",
        low=1,
    )
    crop_size: int = run_option(
        256, help="side of the square photo crops", metavar="PIXELS", low=64, common=True
    )
    style_size: int = run_option(
        STYLE_PICTURE_SIDE,
        help="shorter side of a style picture: a larger one gives larger strokes",
        metavar="PIXELS",
        low=64,
        common=True,
    )
    style_scales: tuple[float, ...] = run_option(
        (0.5, 1.0, 2.0),
        help="brush sizes to learn, as multiples of --style-size, rising; 1 is one of them",
        metavar="FACTOR",
        low=0.1,
        high=8,
    )
    learning_rate: float = run_option(
        2e-3,
        help="highest learning rate: a short linear rise to it, then half a cosine to 0",
        metavar="RATE",
        low=0,
    )
    warmup_steps: int = run_option(
        50, help="steps of the learning rate's rise", metavar="STEPS", low=0
    )
    seed: int = run_option(0, help=SEED_HELP, metavar="NUMBER", low=0, high=2**32 - 1)
    init_checkpoint: str | None = start_option(
        None,
        help="start from this checkpoint, or from 'fast'; its styles are kept",
        metavar="NAME",
        common=True,
    )
    only_codes: bool = start_option(
        False,
        help="train only the styles' own codes and kernels; the rest of --init-checkpoint stays",
        common=True,
        needs="init_checkpoint",
        instead_of="any_style",
    )
    resume: bool = start_option(False, help="continue the interrupted run of --output", common=True)
    loss_net: str = loss_option(
        "auto",
        help="network of the losses: small is included and seven times faster than vgg19, both "
        "takes it for the first half; auto is both on a CPU, vgg19 elsewhere",
        choices=("auto", "small", "vgg19", "both"),
    )
    content_weight: float = loss_option(
        1.0, help="weight of the content loss", metavar="WEIGHT", low=0, common=True
    )
    style_weight: float = loss_option(
        10.0, help="weight of the style loss", metavar="WEIGHT", low=0, common=True
    )
    tv_weight: float = loss_option(
        0.5, help="weight of the total variation loss, which smooths", metavar="WEIGHT", low=0
    )
    temporal_weight: float = loss_option(
        0.0,
        help="weight of the temporal loss on pixels, along synthetic motion, against flicker; 0 "
        "leaves both temporal losses out",
        metavar="WEIGHT",
        low=0,
        common=True,
    )
    temporal_feature_weight: float = loss_option(
        1.0,
        help="weight of the temporal loss on the net's features",
        metavar="WEIGHT",
        low=0,
        needs="temporal_weight",
    )
    identity_fraction: float = loss_option(
        0.1,
        help="fraction of the samples that train the identity, which --strength blends with",
        metavar="FRACTION",
        low=0,
        high=0.9,
    )
    style_layers: tuple[str, ...] = loss_option(
        (*STYLE_LAYERS, "relu5_1"),
        help="layers of the style loss",
        metavar="LAYER",
    )
    content_layers: tuple[str, ...] = loss_option(
        ("relu3_1", "relu4_1"), help="layers of the content loss", metavar="LAYER"
    )
    vgg: Path | None = loss_option(None, help=VGG_HELP, metavar="FILE")
    widths: tuple[int, ...] | None = net_option(
        None,
        help="channels of the three encoder stages; none takes 16 32 64, or those of "
        "--init-checkpoint; a multiple of those makes the net grow",
        metavar="CHANNELS",
        low=4,
    )
    blocks: int | None = net_option(
        None,
        help="number of residual blocks; none takes 5, or that of --init-checkpoint",
        metavar="COUNT",
        low=1,
    )
    unshuffle: int | None = net_option(
        None,
        help="side of the pixel blocks that enter the net as one: 2 is fast, 1 is the papers' net; "
        "none takes 2, or that of --init-checkpoint",
        metavar="PIXELS",
        low=1,
        high=2,
    )
    grain: float | None = net_option(
        None,
        help="noise in the input, in training and when painting, which gives flat areas strokes; "
        "none takes 0.03, or that of --init-checkpoint",
        metavar="STRENGTH",
        low=0,
        high=0.5,
    )
    log_dir: Path | None = record_option(
        None,
        help="folder of the TensorBoard log; none makes one beside the checkpoint",
        metavar="FOLDER",
    )
    log_every: int = record_option(
        50, help="steps between two entries of the log", metavar="STEPS", low=1
    )
    save_every: int = record_option(
        500, help="steps between two writes of the checkpoint", metavar="STEPS", low=1
    )
    validate_every: int = record_option(
        500, help="steps between two validations on held-out photos", metavar="STEPS", low=1
    )
    holdout: int = record_option(
        4, help="photos held out of training for validation", metavar="COUNT", low=1
    )
    workers: int = machine_option(2, help="processes that load pictures", metavar="COUNT", low=0)
    device: str = device_option()
    precision: str = precision_option()
    quiet: bool = quiet_option()
