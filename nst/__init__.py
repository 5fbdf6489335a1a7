"""Neural style transfer for pictures and video.

Each package answers one question, and imports only from those to its left (`tests/test_layers.py`):
`errors < core, options < media, models < motion < losses < styles < regions < stylize, optimize,
train < export < api < commands < studio`.

As Python, with the options of the command line:

    net = nst.load("fast")
    painted = net.stylize("photo.jpg", style="great_wave")
    report = nst.stylize_video("in.mp4", "out.mp4", style="great_wave")
    picture = nst.optimize("photo.jpg", "painting.jpg")
    nst.train("photos", "styles", "mine.safetensors")

The conventions that every function keeps:

- **Image**: float32 `(N, 3, H, W)`, RGB, sRGB-encoded, in [0, 1], always batched. uint8 lives only
  where pictures and videos are read and written; ImageNet statistics and other ranges only inside
  the wrapper that needs them. Nothing is changed in place.
- **To 8 bits**: round and clamp.
- **Size** is `(height, width)`; a user's size is one number, `long_side`, in pixels.
- **Mask**: `(N, 1, H, W)` in [0, 1], 1 = apply.
- **Style code**: `(D,)`, all scales and shifts of a net's norms; **codes**: `(K, D)`. With kernels,
  what a style adds to the weights of the net's convolutions, it is `(D + W,)`.
- **Style weights**: `(N, K)` for whole pictures or `(N, K, H, W)` for a map; they sum to 1 over K.
- **Features**: `dict[str, Tensor]` with the keys `relu1_1` ... `relu5_4`.
- **Gram matrix**: divided by C*H*W, in float32 whatever the autocast.
- **Time**: a frame carries its `pts`, a stream its `time_base`; rates are `Fraction`.
- **Randomness**: a seed or a `torch.Generator` passed in, made on the CPU.
- **Device and dtype** follow the input.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nst.api import Net, load, stylize_video
    from nst.core.progress import Progress
    from nst.core.reports import PictureReport, TrainReport, VideoReport
    from nst.errors import InputError
    from nst.media.frames import PaintedFrame

__version__ = "0.1.0"
__all__ = [
    "InputError",
    "Net",
    "PaintedFrame",
    "PictureReport",
    "Progress",
    "TrainReport",
    "VideoReport",
    "load",
    "optimize",
    "stylize_video",
    "train",
]
# Where each public name is; imported when first used, so that `import nst` needs no torch.
_PLACES = {
    "InputError": "nst.errors",
    "Net": "nst.api",
    "PaintedFrame": "nst.media.frames",
    "PictureReport": "nst.core.reports",
    "Progress": "nst.core.progress",
    "TrainReport": "nst.core.reports",
    "VideoReport": "nst.core.reports",
    "load": "nst.api",
    "stylize_video": "nst.api",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    if name in ("optimize", "train"):  # packages that can be called
        return import_module(f"nst.{name}")
    raise AttributeError(f"module 'nst' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
