"""Lightness and colors of images: kept, matched and held."""

from dataclasses import dataclass

import torch
from torch import Tensor

# Rec. 601 luma, the weights of a sRGB-encoded picture's lightness.
LUMA = (0.299, 0.587, 0.114)
TONE_RAMP = 0.25  # of `Grade`: from one tone to the next, in steps between tones
# Colors that vary less, along an axis, are stretched no further by `match_color`.
MIN_DEVIATION = 0.05


def luminance(image: Tensor) -> Tensor:
    """Return the lightness (N, 1, H, W) of a sRGB-encoded image, Rec. 601."""
    # Plain numbers: a tensor of them would have a GPU wait for its copy from the host.
    red, green, blue = image.split(1, dim=1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def keep_color(stylized: Tensor, content: Tensor) -> Tensor:
    """Give `stylized` the colors of `content`: only its lightness is kept.

    Luminance-only transfer of Gatys et al., "Controlling Perceptual Factors in Neural Style
    Transfer", 2017: the color differences of YIQ stay those of the content.
    """
    return (content + luminance(stylized) - luminance(content)).clamp(0, 1)


def match_color(image: Tensor, reference: Tensor, measured: Tensor | None = None) -> Tensor:
    """Give an image (1, 3, H, W) the mean and the covariance of the colors of another.

    The linear map of Gatys et al., "Controlling Perceptual Factors in Neural Style Transfer", 2017,
    section 5.1.

    Args:
        measured: the image that the map is made for; None is `image` itself. With the first frame
            of a video all of its frames take the same map.
    """
    mean, covariance = _color_moments(image if measured is None else measured)
    wanted_mean, wanted = _color_moments(reference)
    # The symmetric map A with A covariance A = wanted: it moves colors the least.
    # Where an image has next to no color, what is stretched to a palette would be its noise.
    root, inverse = (_root(covariance, power, MIN_DEVIATION**2) for power in (0.5, -0.5))
    matrix = inverse @ _root(root @ wanted @ root, 0.5) @ inverse
    flat = image[0].flatten(1).double()
    mapped = matrix @ (flat - mean) + wanted_mean
    return mapped.to(image.dtype).view_as(image).clamp(0, 1)


def _color_moments(image: Tensor) -> tuple[Tensor, Tensor]:
    flat = image[0].flatten(1).double()
    return flat.mean(1, keepdim=True), flat.cov(correction=0)


def _root(matrix: Tensor, power: float, least: float = 1e-8) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(least).pow(power)) @ vectors.T


def restore_color(stylized: Tensor, content: Tensor, how: str) -> Tensor:
    """Give `stylized` the colors of `content`, by a word: none, luminance or histogram."""
    if how == "luminance":
        return keep_color(stylized, content)
    return match_color(stylized, content) if how == "histogram" else stylized


@dataclass(frozen=True)
class Grade:
    """What becomes of a painted image's lightness and colors in the end.

    Args:
        saturation: what colors are multiplied by; 0 is black and white.
        contrast: what lightness is multiplied by, around a middle gray.
        tones: how many levels of lightness there are, as in a poster; None leaves all.
    """

    saturation: float = 1.0
    contrast: float = 1.0
    tones: int | None = None

    def __call__(self, image: Tensor) -> Tensor:
        """Return a graded image (N, 3, H, W)."""
        if self == UNGRADED:
            return image
        light = luminance(image)
        wanted = (0.5 + self.contrast * (light - 0.5)).clamp(0, 1)
        if self.tones:
            # Each step is a short ramp: one without would flicker where light is near it.
            steps = wanted * (self.tones - 1)
            ramp = ((steps.frac() - 0.5) / TONE_RAMP + 0.5).clamp(0, 1)
            wanted = (steps.floor() + ramp) / (self.tones - 1)
        return (wanted + self.saturation * (image - light)).clamp(0, 1)


UNGRADED = Grade()


def hold_colors(result: Tensor, reference: Tensor) -> Tensor:
    """Give a result the mean and the spread, channel by channel, of its shot's first one.

    What each frame takes over from the last is corrected so; small errors of warping and of a few
    steps do not add up to another palette.
    """
    mean, spread = _mean_and_spread(result)
    wanted_mean, wanted_spread = _mean_and_spread(reference)
    gain = (wanted_spread / spread.clamp_min(1e-4)).clamp(0.8, 1.25)
    return ((result - mean) * gain + wanted_mean).clamp(0, 1)


def _mean_and_spread(image: Tensor) -> tuple[Tensor, Tensor]:
    return image.mean((2, 3), keepdim=True), image.std((2, 3), correction=0, keepdim=True)
