"""The options of a style picture, and those of optimizing a picture's or a video's pixels."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nst.options.field import Checked, option
from nst.options.shared import SEED_HELP, STYLE_LAYERS, VGG_HELP

OPTIMIZE = "optimize"
optimize_option = partial(option, method=OPTIMIZE)
step_option = partial(optimize_option, group="optimization")
loss_option = partial(optimize_option, group="losses")
video_option = partial(optimize_option, group="optimized video")


@dataclass(frozen=True, kw_only=True)
class StylePictureOptions(Checked):
    """How pictures serve as styles."""

    style_path: tuple[Path, ...] | None = option(
        None,
        help="any picture as the style, or several to blend",
        group="style pictures",
        metavar="PICTURE",
        common=True,
    )
    blend: tuple[float, ...] | None = option(
        None,
        help="weights of the --style-path pictures, such as 3 1; none weighs them alike",
        group="style pictures",
        metavar="WEIGHT",
        low=0,
        needs="style_path",
    )
    style_scale: float = option(
        1.0,
        help="stroke size, relative to the picture's size",
        group="style pictures",
        metavar="FACTOR",
        low=0.25,
        high=4,
        common=True,
    )


@dataclass(frozen=True, kw_only=True)
class OptimizeOptions(StylePictureOptions):
    """How pixels are optimized."""

    style_weight: float = loss_option(
        15.0, help="weight of the style loss", metavar="WEIGHT", low=0, common=True
    )
    content_weight: float = loss_option(
        1.0, help="weight of the content loss", metavar="WEIGHT", low=0, common=True
    )
    tv_weight: float = loss_option(
        5.0, help="weight of the total variation loss, which smooths", metavar="WEIGHT", low=0
    )
    loss: str = loss_option(
        "moments",
        help="style loss: errors of means and covariances, distance of Gram matrices, or "
        "Wasserstein distance",
        choices=("moments", "gram", "wasserstein"),
    )
    style_layers: tuple[str, ...] = loss_option(
        (*STYLE_LAYERS, "relu5_1"),
        help="VGG-19 layers of the style loss",
        metavar="LAYER",
    )
    content_layers: tuple[str, ...] = loss_option(
        ("relu4_2",), help="VGG-19 layers of the content loss", metavar="LAYER"
    )
    pooling: str = loss_option(
        "max", help="pooling between VGG-19's stages", choices=("max", "average")
    )
    vgg: Path | None = loss_option(None, help=VGG_HELP, metavar="FILE")
    steps: int = step_option(
        100, help="optimizer steps at each scale", metavar="STEPS", low=1, common=True
    )
    scales: int | None = step_option(
        None,
        help="number of sizes, each half the next; none begins near 128 pixels",
        metavar="COUNT",
        low=1,
    )
    tolerance: float = step_option(
        0.0,
        help="end a scale when 10 steps lower the loss by less than this fraction",
        metavar="FRACTION",
        low=0,
        high=1,
    )
    optimizer: str = step_option(
        "lbfgs", help="adam needs less memory than L-BFGS", choices=("lbfgs", "adam")
    )
    learning_rate: float = step_option(0.02, help="Adam's learning rate", metavar="RATE", low=1e-6)
    tile: int | None = step_option(
        None,
        help="compute the gradient in tiles of this side; none does so when memory is short",
        metavar="PIXELS",
        low=64,
    )
    seed: int = step_option(0, help=SEED_HELP, metavar="NUMBER", low=0, high=2**32 - 1)


@dataclass(frozen=True, kw_only=True)
class OptimizeVideoOptions(OptimizeOptions):
    """How the frames of an optimized video follow from one another."""

    init_image: str = video_option(
        "previous",
        help="what a frame begins from: the previous result warped along the motion, the content, "
        "or noise",
        choices=("previous", "content", "noise"),
    )
    frame_steps: int = video_option(
        40, help="optimizer steps of each frame after the first", metavar="STEPS", low=1
    )
    temporal_weight: float = video_option(
        1000.0, help="weight of the temporal loss on pixels", metavar="WEIGHT", low=0
    )
    temporal_feature_weight: float = video_option(
        1.0,
        help="weight of the temporal loss on relu1_1 and relu2_1 features",
        metavar="WEIGHT",
        low=0,
    )
    lags: tuple[int, ...] = video_option(
        (1, 2, 4),
        help="how many frames back lie the frames that the temporal losses compare with",
        metavar="FRAMES",
        low=1,
    )
    style_from_previous: float = video_option(
        0.0,
        help="weight of the previous result in the style's target",
        metavar="FRACTION",
        low=0,
        high=1,
    )
    passes: int = video_option(
        1, help="passes over the video, forward and backward in turn", metavar="COUNT", low=1
    )
    loop: bool = video_option(
        False, help="join the last frame to the first; needs --passes 2 or more"
    )
    resume: bool = option(
        False,
        help="continue an interrupted run of --output-video; one pass of a net keeps finished "
        "parts for that when this is given at the start, and by itself from two minutes on",
        group="long videos",
    )
