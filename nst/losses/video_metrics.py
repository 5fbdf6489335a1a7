"""How steady and how stylized a video is, measured frame by frame as it passes.

The two belong together: a weaker style lowers every error in time.
"""

import warnings
from collections.abc import Callable
from math import sqrt
from statistics import fmean

import torch
from torch import Tensor

from nst.core.tensors import fit, resize
from nst.errors import InputError
from nst.losses.metrics import content_distance, ssim, style_distances, warping_error
from nst.losses.perceptual import gram_matrix
from nst.models.vgg import VGGFeatures
from nst.motion.flow import FlowEstimator
from nst.motion.warp import flow_validity, resize_flow, warp
from nst.options.shared import STYLE_LAYERS

LAGS = (1, 10)  # flicker from frame to frame, and slow change
CONTENT_LAYERS = ("relu4_2",)


@torch.inference_mode()
def target_grams(
    vgg: VGGFeatures, pictures: dict[str, Tensor], shares: dict[str, float]
) -> dict[str, Tensor]:
    """Return layer of `STYLE_LAYERS` -> (1, C, C): the mean Gram matrices of style pictures.

    Args:
        pictures: name -> (1, 3, H, W).
        shares: name -> its share; they sum to 1.
    """
    grams: dict[str, Tensor] = {}
    for name, share in shares.items():
        features = vgg(pictures[name].to(vgg.mean.device), STYLE_LAYERS)
        for layer in STYLE_LAYERS:
            grams[layer] = grams.get(layer, 0) + share * gram_matrix(features[layer])
    return grams


class Measurement:
    """Figures of a stylized video beside its original.

    Args:
        flow: finds the original's motion.
        long_side: both are measured at this size, the stylized one's at most; None keeps that.
        every: measure from each so many-th frame; the others pass at no cost.
        vgg: with `grams` measures the style and the content too.
        grams: layer of `STYLE_LAYERS` -> (1, C, C), of the style picture.
        vgg_every: use VGG on each so many-th measured frame.
    """

    def __init__(
        self,
        flow: FlowEstimator,
        long_side: int | None = None,
        every: int = 1,
        vgg: VGGFeatures | None = None,
        grams: dict[str, Tensor] | None = None,
        vgg_every: int = 8,
    ):
        self.flow, self.long_side, self.every = flow, long_side, every
        self.vgg, self.grams, self.vgg_every = vgg, grams, vgg_every
        self.frames = 0
        self.size: tuple[int, int] | None = None
        # What later frames are compared with: time -> (prepared, original, stylized).
        self._kept: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        self._pairs: dict[int, list[dict[str, float]]] = {lag: [] for lag in LAGS}
        self._similar: list[float] = []
        self._styles: list[dict[str, float]] = []
        self._contents: list[float] = []

    @torch.inference_mode()
    def add(self, original: Tensor, stylized: Tensor) -> None:
        """Take the next frame, as it was and as it became: (1, 3, H, W) each, of any sizes."""
        t = self.frames
        self.frames += 1
        starts, begins = [t - lag for lag in LAGS if t - lag in self._kept], t % self.every == 0
        if not (starts or begins):
            return
        size = tuple(stylized.shape[-2:])
        if self.long_side:
            size = fit(size, min(self.long_side, max(size)))
        if self.size is None:
            self.size = size
        original, stylized = resize(original, self.size), resize(stylized, self.size)
        now = (self.flow.prepare(original), original, stylized)
        for start in starts:
            self._pairs[t - start].append({"frame": t, **self._compare(now, self._kept[start])})
        if begins:
            self._kept[t] = now
            self._similar.append(ssim(stylized, original))
            if self.vgg and self.grams and (len(self._similar) - 1) % self.vgg_every == 0:
                self._look(original, stylized)
        self._kept.pop(t - max(LAGS), None)

    def _compare(self, now, before) -> dict[str, float]:
        seen, original, stylized = now
        seen_before, original_before, stylized_before = before
        backward, forward = self.flow.both_ways(seen, seen_before)
        validity = resize(flow_validity(backward, forward), self.size)
        backward = resize_flow(backward, self.size)
        return {
            "output": warping_error(stylized, warp(stylized_before, backward), validity),
            "input": warping_error(original, warp(original_before, backward), validity),
            "valid": float(validity.mean()),
        }

    def _look(self, original: Tensor, stylized: Tensor) -> None:
        features = self.vgg(stylized, (*STYLE_LAYERS, *CONTENT_LAYERS))
        self._styles.append(style_distances(features, self.grams))
        target = self.vgg(original, CONTENT_LAYERS)
        self._contents.append(content_distance(features, target))

    def figures(self) -> dict:
        """Return the figures so far, ready for JSON; what could not be measured is left out.

        `warping_error` and `input_warping_error` (the floor) by lag, `valid` (the share of pixels
        they are over), `ssim` to the original, and with VGG `style_distance` by layer and in the
        mean, and `content_distance`; `over_time` has the errors pair by pair.
        """
        figures: dict = {"frames": self.frames, "size": self.size, "flow": self.flow.method}
        measured = {str(lag): pairs for lag, pairs in self._pairs.items() if pairs}
        for name, key in (("warping_error", "output"), ("input_warping_error", "input")):
            figures[name] = {
                lag: sqrt(fmean(pair[key] for pair in pairs)) for lag, pairs in measured.items()
            }
        figures["valid"] = {
            lag: fmean(pair["valid"] for pair in pairs) for lag, pairs in measured.items()
        }
        if self._similar:
            figures["ssim"] = fmean(self._similar)
        if self._styles:
            layers = {k: fmean(d[k] for d in self._styles) for k in self._styles[0]}
            figures["style_distance"] = {**layers, "mean": fmean(layers.values())}
            figures["content_distance"] = fmean(self._contents)
        figures["over_time"] = {
            lag: {
                "frame": [pair["frame"] for pair in pairs],
                "warping_error": [sqrt(pair["output"]) for pair in pairs],
                "input_warping_error": [sqrt(pair["input"]) for pair in pairs],
            }
            for lag, pairs in measured.items()
        }
        return figures


def build_measurement(
    styles: Callable[[], tuple[dict[str, Tensor], dict[str, float]]],
    load_vgg: Callable[[], VGGFeatures],
) -> Measurement:
    """Return what measures every frame for a report; the style too, where it can be.

    Args:
        styles: gives style pictures by name, (1, 3, H, W), and their shares, which sum to 1. An
            InputError of it, or of pictures too small for VGG-19, becomes a warning.
        load_vgg: loads VGG-19, when there are style pictures.
    """
    flow = FlowEstimator("dis")
    try:
        pictures, shares = styles()
    except InputError as error:
        return _without_style(flow, error)
    vgg = load_vgg()
    try:
        return Measurement(flow, None, 1, vgg, target_grams(vgg, pictures, shares))
    except InputError as error:
        return _without_style(flow, error)


def _without_style(flow: FlowEstimator, error: InputError) -> Measurement:
    warnings.warn(f"style is not measured: {error}", stacklevel=3)
    return Measurement(flow)


def in_words(figures: dict) -> str:
    """Return the figures in one line.

    >>> in_words({"warping_error": {"1": 0.04}, "input_warping_error": {"1": 0.02}, "ssim": 0.5})
    'warping error 0.040 at lag 1 (input 0.020); SSIM to the input 0.50'
    """
    parts = [
        f"{error:.3f} at lag {lag} (input {figures['input_warping_error'][lag]:.3f})"
        for lag, error in figures["warping_error"].items()
    ]
    parts = ["warping error " + ", ".join(parts)] if parts else []
    if "style_distance" in figures:
        parts.append(f"style distance {figures['style_distance']['mean']:.3f}")
        parts.append(f"content distance {figures['content_distance']:.3f}")
    if "ssim" in figures:
        parts.append(f"SSIM to the input {figures['ssim']:.2f}")
    return "; ".join(parts)
