"""Measures coherence and style of a video, frame by frame, while it is painted.

The two belong together: a weaker style lowers every error over time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import sqrt
from statistics import fmean
from typing import cast

import torch
from torch import Tensor

from nst.core.progress import warn
from nst.core.reports import BesideAlone, Figures
from nst.core.tensors import fit_within, resize, size_of
from nst.errors import InputError
from nst.losses.metrics import (
    content_distance,
    detail,
    feature_warping_error,
    ghost,
    ssim,
    warping_error,
)
from nst.losses.style_figures import MOMENT_LAYERS, StyleReference, style_figures, style_reference
from nst.models.vgg import VGGFeatures
from nst.motion.flow import FlowEstimator
from nst.motion.warp import flow_validity, resize_flow, sharp_warp, uncovered, warp

LAGS = (1, 10)  # flicker from frame to frame, and slow change
CONTENT_LAYERS = ("relu4_2",)
MINIMUM_VALID = 0.001  # fraction of the pixels, below which a pair is not measured


@dataclass(frozen=True)
class _Moment:
    """A frame that later ones are compared with, at the size of the measurement."""

    prepared: Tensor
    original: Tensor
    stylized: Tensor
    alone: Tensor | None

    def pictures(self) -> Iterator[tuple[str, Tensor]]:
        """Yield each with its name in the figures' keys."""
        yield "", self.stylized
        yield "input_", self.original
        if self.alone is not None:
            yield "alone_", self.alone


class Measurement:
    """Figures of a stylized video beside its original.

    Args:
        flow: estimates the original's motion.
        long_side: both are measured at this size, the stylized one's at most; None keeps that.
        every: use every n-th frame as a reference; the others cost nothing.
        vgg: measures the content and the perceptual warping error too, and with `style` the style.
        style: see `style_reference`.
        vgg_every: use VGG on every n-th measured frame.
    """

    def __init__(
        self,
        flow: FlowEstimator,
        long_side: int | None = None,
        every: int = 1,
        vgg: VGGFeatures | None = None,
        style: StyleReference | None = None,
        vgg_every: int = 8,
    ):
        self.flow, self.long_side, self.every = flow, long_side, every
        self.vgg, self.style, self.vgg_every = vgg, style, vgg_every
        self.frames = 0
        self.size: tuple[int, int] | None = None
        self._kept: dict[int, _Moment] = {}
        self._pairs: dict[int, list[dict[str, float]]] = {lag: [] for lag in LAGS}
        # Of single frames: figure's name -> a number for each frame it was measured on.
        self._found: dict[str, list[float]] = {}

    @torch.inference_mode()
    def add(self, original: Tensor, stylized: Tensor, alone: Tensor | None = None) -> None:
        """Take the next frame, as it was and as it became: (1, 3, H, W) each, of any sizes.

        Args:
            alone: the frame painted without temporal blending, to measure the gains and costs of
                that. Given for all frames or for none.
        """
        t = self.frames
        self.frames += 1
        starts, begins = [t - lag for lag in LAGS if t - lag in self._kept], t % self.every == 0
        if not (starts or begins):
            return
        size = size_of(stylized)
        if self.long_side:
            size = fit_within(size, self.long_side)
        if self.size is None:
            self.size = size
        original, stylized = resize(original, self.size), resize(stylized, self.size)
        alone = None if alone is None else resize(alone, self.size)
        now = _Moment(self.flow.prepare(original), original, stylized, alone)
        with_vgg = self.vgg is not None and begins and t // self.every % self.vgg_every == 0
        for start in starts:
            pair = self._compare(now, self._kept[start], with_vgg)
            self._pairs[t - start].append({"frame": t, **pair})
        if begins:
            self._kept[t] = now
            self._note("ssim", ssim(stylized, original))
            for name, picture in now.pictures():
                self._note(f"{name}detail", detail(picture))
            if with_vgg:
                self._measure_features(now)
        self._kept.pop(t - max(LAGS), None)

    def _note(self, name: str, value: float) -> None:
        self._found.setdefault(name, []).append(value)

    def _compare(self, now: _Moment, before: _Moment, with_vgg: bool) -> dict[str, float]:
        """Return the squared errors of a pair."""
        backward, forward = self.flow.both_ways(now.prepared, before.prepared)
        validity = resize(flow_validity(backward, forward), self.size)
        new_ground = resize(uncovered(backward, forward), self.size)
        there = now.stylized.device
        backward, validity, new_ground = (x.to(there) for x in (backward, validity, new_ground))
        backward = resize_flow(backward, self.size)
        pair = {"valid": float(validity.mean())}
        for (name, picture), (_, earlier) in zip(now.pictures(), before.pictures(), strict=True):
            warped = warp(earlier, backward)
            pair[f"{name}warping_error"] = warping_error(picture, warped, validity)
            if with_vgg:
                sharp = sharp_warp(earlier, backward)
                pair[f"{name}feature_warping_error"] = feature_warping_error(
                    self.vgg, picture, sharp, validity
                )
        if now.alone is not None:
            warped = warp(before.stylized, backward)
            pair["ghost"], pair["trace"] = ghost(now.stylized, now.alone, warped, new_ground)
        return pair

    def _measure_features(self, now: _Moment) -> None:
        target = self.vgg(now.original, CONTENT_LAYERS)
        for name, picture in now.pictures():
            if name == "input_":
                continue
            features = self.vgg(picture, (*MOMENT_LAYERS, *CONTENT_LAYERS))
            self._note(f"{name}content_distance", content_distance(features, target))
            if self.style:
                for part, error in style_figures(features, self.style).items():
                    self._note(f"{name}style_{part}_error", error)

    def figures(self) -> Figures:
        """Return the figures so far, ready for JSON; what could not be measured is left out.

        By lag: `warping_error`, `input_warping_error` (the clip's own), `warping_error_ratio` (the
        first by the second), the same of `feature_warping_error`, and `valid` (the fraction of
        pixels that they are over). `ssim` to the original; with VGG `content_distance` and, for a
        style, `style_mean_error`, `style_covariance_error`, `style_gram_error` and `style_sizes`,
        see `style_figures`. `beside_alone` is what the memory of earlier frames did, beside the
        same frames painted alone: ratios of the warping errors, of the energy of fine `detail`, of
        the style's errors, and the `ghost`. `over_time` has the errors pair by pair.
        """
        pairs = {str(lag): found for lag, found in self._pairs.items() if found}
        means = {name: fmean(values) for name, values in self._found.items()}
        figures: dict = {"frames": self.frames, "size": self.size, "flow": self.flow.method}
        for name in ("warping_error", "feature_warping_error"):
            result, own = _by_lag(pairs, name), _by_lag(pairs, f"input_{name}")
            if own or name == "warping_error":
                figures |= {name: result, f"input_{name}": own}
                figures[f"{name}_ratio"] = _ratios(result, own)
        figures["valid"] = {
            lag: fmean(pair["valid"] for pair in found) for lag, found in pairs.items()
        }
        figures |= {key: means[key] for key in means if not key.startswith(("input_", "alone_"))}
        if self.style and "style_mean_error" in means:
            figures["style_sizes"] = self.style.sizes
        if "alone_detail" in means:
            figures["beside_alone"] = self._beside_alone(pairs, means)
        figures["over_time"] = {
            lag: {
                "frame": [pair["frame"] for pair in found],
                "warping_error": [sqrt(pair["warping_error"]) for pair in found],
                "input_warping_error": [sqrt(pair["input_warping_error"]) for pair in found],
            }
            for lag, found in pairs.items()
        }
        return cast(Figures, figures)

    def _beside_alone(self, pairs: dict[str, list[dict]], means: dict[str, float]) -> BesideAlone:
        names = ("detail", "style_mean_error", "style_covariance_error", "content_distance")
        beside: dict = {
            name: means[name] / max(means[f"alone_{name}"], 1e-12)
            for name in names
            if f"alone_{name}" in means
        }
        for name in ("warping_error", "feature_warping_error"):
            if alone := _by_lag(pairs, f"alone_{name}"):
                beside[name] = _ratios(_by_lag(pairs, name), alone)
        steps = pairs.get("1", [])
        trace = sum(pair["trace"] for pair in steps)
        beside["ghost"] = sum(pair["ghost"] for pair in steps) / trace if trace else 0.0
        return cast(BesideAlone, beside)


def _by_lag(pairs: dict[str, list[dict[str, float]]], key: str) -> dict[str, float]:
    """Return the root of the mean of a squared error, for each lag that has it.

    Pairs without valid pixels are left out.
    """
    values = {
        lag: [pair[key] for pair in found if key in pair and pair["valid"] > MINIMUM_VALID]
        for lag, found in pairs.items()
    }
    return {lag: sqrt(fmean(squares)) for lag, squares in values.items() if squares}


def _ratios(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    return {lag: one[lag] / max(value, 1e-12) for lag, value in other.items()}


def build_measurement(
    pictures: Callable[[], list[tuple[Tensor, float]]],
    load_vgg: Callable[[], VGGFeatures],
) -> Measurement:
    """Return what measures every frame for a report; the style too, where it can be.

    Args:
        pictures: gives style pictures (1, 3, H, W), each with its weight; the weights sum to 1. An
            InputError of it, or of pictures too small for VGG-19, becomes a warning.
        load_vgg: loads VGG-19, when there are style pictures.
    """
    flow = FlowEstimator("dis")
    try:
        weighted = pictures()
    except InputError as error:
        return _without_style(flow, error)
    vgg = load_vgg()
    try:
        style = style_reference(vgg, weighted)
        return Measurement(flow, None, 1, vgg, style)
    except InputError as error:
        return _without_style(flow, error)


def _without_style(flow: FlowEstimator, error: InputError) -> Measurement:
    warn(f"style is not measured: {error}")
    return Measurement(flow)
