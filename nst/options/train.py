"""The options of training."""

from dataclasses import dataclass
from pathlib import Path

from nst.options.field import Checked, option
from nst.options.shared import (
    DEVICE_HELP,
    PRECISION_HELP,
    PRECISIONS,
    STYLE_PICTURE_SIDE,
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
    minutes: float | None = option(
        None, help="train for so long: the learning rate falls with the clock", low=0.05
    )
    steps: int | None = option(
        None, help="train for so many steps of the optimizer, in place of --minutes", low=1
    )
    batch: int = option(8, help="pictures a step, on each process", low=1)
    pictures_per_style: int = option(
        2,
        help="successive pictures of a batch that take one style and are compared with it as one "
        "canvas",
        low=1,
    )
    crop_size: int = option(256, help="pixels of the square photo crops", low=64)
    style_size: int = option(
        STYLE_PICTURE_SIDE,
        help="pixels of a style picture's shorter side: larger gives larger strokes",
        low=64,
    )
    style_scales: tuple[float, ...] = option(
        (0.5, 1.0, 2.0),
        help="brush sizes to learn, as multiples of --style-size, rising; 1 is one of them",
        low=0.1,
        high=8,
    )
    learning_rate: float = option(
        2e-3, help="its peak: a short rise, then half a cosine to 0", low=0
    )
    warmup_steps: int = option(50, help="steps of the rise", group="losses", low=0)
    init_checkpoint: str | None = option(
        None,
        help="start from this checkpoint (or 'quality', 'fast'); new styles get new codes",
        group="going on",
    )
    only_codes: bool = option(
        False,
        help="with --init-checkpoint: train the codes, leave the net's convolutions",
        group="going on",
    )
    resume: bool = option(
        False, help="go on where the interrupted run of --output stopped", group="going on"
    )
    widths: tuple[int, ...] | None = option(
        None,
        help="channels of the three encoder stages; none takes 16 32 64, or those of "
        "--init-checkpoint. A multiple of those makes the net grow",
        group="net",
        low=4,
    )
    blocks: int = option(5, help="residual blocks", group="net", low=1)
    unshuffle: int = option(
        2, help="side of the blocks of pixels that enter as one: 2 is fast, 1 the papers' net",
        group="net", low=1, high=2,
    )  # fmt: skip
    grain: float = option(
        0.03,
        help="noise in the input, here and when painting, which gives flat areas strokes; 0 is "
        "none",
        group="net",
        low=0,
        high=0.5,
    )
    loss_net: str = option(
        "auto",
        help="network of the losses: small, included and seven times faster; vgg19; auto takes "
        "small on a CPU",
        group="losses",
        choices=("auto", "small", "vgg19"),
    )
    content_weight: float = option(1.0, help="weight of the content loss", group="losses", low=0)
    style_weight: float = option(10.0, help="weight of the style loss", group="losses", low=0)
    tv_weight: float = option(0.5, help="weight of the total variation", group="losses", low=0)
    temporal_weight: float = option(
        0.0,
        help="weight of the change along synthetic motion, against flicker; 0 leaves it out",
        group="losses",
        low=0,
    )
    temporal_feature_weight: float = option(
        1.0,
        help="weight of the change of the encoder's features along it, with --temporal-weight",
        group="losses",
        low=0,
    )
    identity_fraction: float = option(
        0.1, help="fraction of the samples that train 'leave it alone', for --strength",
        group="losses", low=0, high=0.9,
    )  # fmt: skip
    content_layers: tuple[str, ...] = option(
        ("relu3_1", "relu4_1"), help="layers of the content loss", group="losses"
    )
    style_layers: tuple[str, ...] = option(
        ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
        help="layers of the style loss", group="losses",
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
