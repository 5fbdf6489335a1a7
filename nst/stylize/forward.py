"""One pass of a trained net over one image."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from nst.core.color import luminance
from nst.core.tensors import blur, fit_within, resize, size_of, stretch
from nst.models.transformer_net import TransformerNet, with_statistics

MIN_SIDE = 16  # shorter side, in pixels, that a net takes
# `FoldedCodes` halves images whose shorter side has at least so many pixels. Every few frames it
# measures one style again, each in its turn, and gives the new measurement this weight.
MIN_HALVED, REFRESH_EVERY, REFRESH_WEIGHT = 128, 4, 0.5
# A code that changes by more than this from one frame to the next, relative to its norm, is new.
JUMP = 0.1
SMALL_SIDE = 160  # longer side of the copy on which the identity's error is measured
# Lines are what differs from the mean of a square, whose side is this part of the picture's longer
# side, by more than the noise of cameras does, in fractions of white.
LINE_SIDE, LINE_NOISE = 1 / 70, 0.015
# Shading is what differs from the surroundings: from a copy of this longer side, smoothed over so
# many of its pixels twice. The weight is relative to that of the lines.
SHADING_SIDE, SHADING_PIXELS, SHADING_WEIGHT = 80, 9, 0.6


@torch.inference_mode()
def stylize(
    net: Callable[..., Tensor],
    image: Tensor,
    codes: Tensor,
    dtype: torch.dtype,
    identity: Tensor | None = None,
    identity_weight: float | Tensor = 0.0,
    weights: Tensor | None = None,
    folded: Tensor | None = None,
    grain: Tensor | None = None,
    detail: float = 0.0,
) -> Tensor:
    """Stylize images (N, 3, H, W) with codes (K, D), computed in `dtype`, returned in float32.

    Instance norm discards the mean brightness and saturation of the image, so even the identity's
    code changes them a little. That error is of low frequency: it is measured on a small copy and
    added back in proportion to the identity's weight in the code.

    Args:
        net: a `TransformerNet`, or what calls one.
        identity: the identity's code (1, D).
        identity_weight: its weight in the codes, 0 to 1; one for all, or (K,).
        weights: style weights (N, K, H, W); None is for one code.
        folded: with `weights`, the codes (K, D) that `TransformerNet.folded` gives.
        grain: (N, 3, H, W), for `with_grain`; less of it where the identity is.
        detail: how much of `drawing` is added; less of it where the identity is.
    """
    weights = codes.new_ones(len(image), 1) if weights is None else weights
    if weights.ndim == 4 and _is_constant(weights):
        weights = weights[..., 0, 0]  # exactly the picture without a map
    mapped = weights.ndim == 4
    fraction = _identity_map(identity_weight, weights) if identity is not None else 0.0
    if isinstance(fraction, float) and fraction == 1:
        return image.float()  # the net's identity is not exact
    plain = isinstance(fraction, float) and not fraction
    if grain is not None and not plain:
        grain = grain * (1 - fraction)
    seen = with_grain(image, grain)
    painted = net(seen.to(dtype), folded if mapped else codes, weights).float()
    if detail:
        drawn = drawing(image).mul_(detail)
        painted = (painted + (drawn if plain else drawn * (1 - fraction))).clamp_(0, 1)
    if identity is None or plain:
        return painted
    size = size_of(image)
    small = resize(image, fit_within(size, SMALL_SIDE))
    if min(small.shape[-2:]) < MIN_SIDE:
        small = image
    lost = small - net(small.to(dtype), identity, identity.new_ones(len(small), 1)).float()
    broad = F.avg_pool2d(F.pad(lost, (2, 2, 2, 2), mode="replicate"), 5, 1)
    broad = F.interpolate(broad, size=size, mode="bilinear", align_corners=False)
    painted = (painted + fraction * broad).clamp(0, 1)
    if isinstance(fraction, Tensor) and not mapped:  # of several images some may be all identity
        painted = torch.where(fraction == 1, image.float(), painted)
    return painted


def drawing(image: Tensor) -> Tensor:
    """Return the lines and the shading (N, 1, H, W) in the lightness of images (N, 3, H, W).

    A net that works at half the resolution paints hardly any lines: eyes, ropes, letters. And a
    style loss lets light and dark go, by which forms are told from each other. Flat areas have
    nothing of both, nor has what is no more than noise.
    """
    light, size = luminance(image), size_of(image)
    side = 2 * round(max(size) * LINE_SIDE / 2) + 1
    broad, surroundings = [], []
    for each in light.split(1):
        broad.append(blur(each, side))
        small = resize(each, fit_within(size, SHADING_SIDE))
        surroundings.append(stretch(blur(blur(small, SHADING_PIXELS), SHADING_PIXELS), size))
    shading = torch.cat(broad) - torch.cat(surroundings)
    return F.softshrink(light - torch.cat(broad), LINE_NOISE) + SHADING_WEIGHT * shading


def _is_constant(weights: Tensor) -> bool:
    """Tell whether a map of weights is the same everywhere, where that can be known at once.

    A GPU would have to finish all it was given before it could answer; there it is taken for a map.
    """
    if weights.device.type != "cpu":
        return False
    return torch.equal(weights, weights[..., :1, :1].expand_as(weights))


def _identity_map(weight: float | Tensor, weights: Tensor) -> float | Tensor:
    """Return the identity's weight at each pixel (N, 1, H, W) or (N, 1, 1, 1), or one for all."""
    if not isinstance(weight, Tensor):
        return float(weight)
    if weight.device.type == "cpu" and weight.unique().tolist() in ([0.0], [1.0]):
        return float(weight.flatten()[0])
    of_codes = weight.to(weights.device).expand(weights.shape[1])
    of_pixels = torch.einsum("nk...,k->n...", weights, of_codes)[:, None]
    return of_pixels if weights.ndim == 4 else of_pixels[..., None, None]


def with_grain(image: Tensor, grain: Tensor | None) -> Tensor:
    """Return an image with its grain, in [0, 1], as a net saw it when it was trained."""
    return image if grain is None else (image + grain).clamp(0, 1)


class FoldedCodes:
    """Codes with the statistics that a net's norms take from a video: `TransformerNet.folded`.

    The first frame of a shot is measured at full size. Later frames re-measure one style every few
    frames at half size, and subtract the bias that half size had on the first frame. While codes
    change it is one style in every frame; one that changes at once is measured as on a first frame.

    Args:
        codes: (K, D), on the net's device.
        dtype: to compute in.
    """

    def __init__(self, net: TransformerNet, codes: Tensor, dtype: torch.dtype):
        self.net, self.codes, self.dtype = net, codes, dtype
        self._found: Tensor | None = None  # statistics (K, D)
        self._bias: Tensor | None = None
        self._folded: Tensor | None = None
        self._time = self._turn = 0

    @torch.inference_mode()
    def follow(self, image: Tensor, anew: bool, codes: Tensor | None = None) -> Tensor:
        """Return the folded codes (K, D) for the next frame.

        Args:
            image: (1, 3, H, W).
            anew: the image is the first of a shot.
            codes: (K, D), what they are from now on; None leaves them.
        """
        before, now = self.codes, self.codes if codes is None else codes
        changed = now is not before
        self.codes = now
        image = image.to(self.dtype)
        if anew or self._found is None:
            self._found = now.new_empty(len(now), self.net.code_length)
            self._bias = torch.empty_like(self._found)
            self._time = self._turn = 0
            self._measure(image, range(len(now)))
            return self._folded
        if changed:
            jumps = (now - before).norm(dim=1) > JUMP * before.norm(dim=1)
            self._measure(image, jumps.nonzero().flatten().tolist())
        self._time += 1
        if changed or self._time % REFRESH_EVERY == 0:
            self._turn = (self._turn + 1) % len(now)
            self._refresh(image, self._turn)
        return self._folded

    def _measure(self, image: Tensor, rows: Sequence[int]) -> None:
        """Measure some styles at full size, and the bias of half size."""
        for k in rows:
            code = self.codes[k : k + 1]
            self._found[k] = self.net.statistics(image, code)[0]
            self._bias[k] = self.net.statistics(_halved(image), code)[0] - self._found[k]
        self._folded = with_statistics(self.codes, self._found)

    def _refresh(self, image: Tensor, k: int) -> None:
        """Measure a style at half size."""
        found = self.net.statistics(_halved(image), self.codes[k : k + 1])[0] - self._bias[k]
        self._found[k].lerp_(found, REFRESH_WEIGHT)
        self._folded = with_statistics(self.codes, self._found)


def _halved(image: Tensor) -> Tensor:
    return F.avg_pool2d(image, 2) if min(image.shape[-2:]) >= MIN_HALVED else image
