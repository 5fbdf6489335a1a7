"""The options that optimised pictures and optimised videos share."""

from dataclasses import dataclass
from pathlib import Path

from nst.options.field import Checked, option
from nst.options.shared import STYLE_LAYERS

GROUP = "optimize"


@dataclass(frozen=True, kw_only=True)
class StylePictureOptions(Checked):
    """How pictures serve as styles."""

    style_weights: tuple[float, ...] | None = option(
        None, help="shares of the --style-path pictures in the blend", group="any style", low=0
    )
    style_scale: float = option(
        1.0, help="size of its strokes: 2 doubles them", group="any style", low=0.25, high=4
    )


@dataclass(frozen=True, kw_only=True)
class OptimizeOptions(StylePictureOptions):
    """How pixels are optimised."""

    content_weight: float = option(1.0, help="weight of the content loss", group=GROUP, low=0)
    style_weight: float = option(4.0, help="weight of the style loss", group=GROUP, low=0)
    tv_weight: float = option(10.0, help="weight of the total variation", group=GROUP, low=0)
    loss: str = option(
        "gram",
        help="distance of styles: gram matrices, or wasserstein of means and covariances",
        group=GROUP,
        choices=("gram", "wasserstein"),
    )
    steps: int = option(100, help="steps of each scale", group=GROUP, low=1)
    scales: int | None = option(
        None, help="sizes, each half the next; none begins near 128 pixels", group=GROUP, low=1
    )
    tolerance: float = option(
        0.0, help="end a scale when 10 steps lower the loss by less than this share",
        group=GROUP, low=0, high=1,
    )  # fmt: skip
    optimizer: str = option(
        "lbfgs", help="adam needs less memory", group=GROUP, choices=("lbfgs", "adam")
    )
    learning_rate: float = option(0.02, help="of adam", group=GROUP, low=1e-6)
    content_layers: tuple[str, ...] = option(
        ("relu4_2",), help="VGG-19 layers of the content loss", group=GROUP
    )
    style_layers: tuple[str, ...] = option(
        (*STYLE_LAYERS, "relu5_1"),
        help="VGG-19 layers of the style loss", group=GROUP,
    )  # fmt: skip
    pooling: str = option("max", help="of VGG-19", group=GROUP, choices=("max", "average"))
    vgg: Path | None = option(
        None, help="VGG-19 weights; none looks for them and fetches them", group=GROUP
    )
    tile: int | None = option(
        None, help="work in tiles of so many pixels; none does when memory is short",
        group=GROUP, low=64,
    )  # fmt: skip
    seed: int = option(
        0, help="start of all random numbers", group="machine", low=0, high=2**32 - 1
    )


@dataclass(frozen=True, kw_only=True)
class OptimizeVideoOptions(OptimizeOptions):
    """How frames follow from one another."""

    init: str = option(
        "previous",
        help="begin a frame from: previous (the last result, along the motion), content or noise",
        group="optimized video",
        choices=("previous", "content", "noise"),
    )
    frame_steps: int = option(
        40, help="steps of a frame after the first", group="optimized video", low=1
    )
    temporal_weight: float = option(
        300.0, help="weight of the change along the motion", group="optimized video", low=0
    )
    temporal_features: float = option(
        1.0, help="weight of that of relu1_1 and relu2_1", group="optimized video", low=0
    )
    lags: tuple[int, ...] = option(
        (1, 2, 4), help="frames back that a frame is tied to", group="optimized video", low=1
    )
    style_from_previous: float = option(
        0.0,
        help="share of the last result in the style's target",
        group="optimized video",
        low=0,
        high=1,
    )
    passes: int = option(
        1, help="times through the video, there and back", group="optimized video", low=1
    )
    loop: bool = option(
        False, help="join the last frame to the first; 2 --passes or more", group="optimized video"
    )
    resume: bool = option(
        False, help="go on where an interrupted run stopped", group="optimized video"
    )
