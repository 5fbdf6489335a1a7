"""The target of the style loss of optimized pictures: moments of the style pictures' features."""

import torch
from torch import Tensor

from nst.core.color import match_color
from nst.core.tensors import fit, resize, size_of
from nst.errors import InputError
from nst.losses.moments import Moments, blend_moments
from nst.models.vgg import VGGFeatures
from nst.optimize.objective import StyleTarget, picture_moments
from nst.options.optimize import OptimizeOptions


def style_target(
    vgg: VGGFeatures,
    styles: list[Tensor],
    long_side: int,
    options: OptimizeOptions,
    recolor: Tensor | None = None,
    masks: Tensor | None = None,
    style_masks: list[Tensor] | None = None,
    tile: int | None = None,
) -> StyleTarget:
    """Return the moments that the picture's features are to have, at one size.

    Without masks the styles blend into one target; with them each region has its own style.

    Args:
        long_side: of the picture.
        recolor: an image whose colors the styles are given.
        masks: (K, H, W), regions of the picture.
        style_masks: a list of (1, 1, h, w), where in its style each region's is found.
    """
    moments: list[Moments] = []
    count = len(styles) if masks is None else len(masks)
    styles = styles * count if len(styles) == 1 else styles
    for i, style in enumerate(styles):
        style = sized_style(style, long_side, options)
        if recolor is not None:
            style = match_color(style, recolor)
        mask = resize(style_masks[i], size_of(style))[0] if style_masks else None
        try:
            moments.append(picture_moments(vgg, style, options.style_layers, mask, tile))
        except InputError as error:
            raise InputError(
                f"a style is too narrow: {error}; give a larger --style-scale"
            ) from None
    weights = options.blend or (1.0,) * count
    if masks is None:
        one = styles[0].new_ones(1)
        return StyleTarget(blend_moments(moments, weights), options.loss, one)
    stacked: Moments = {}
    for layer in options.style_layers:
        first, second = zip(*(m[layer] for m in moments), strict=True)
        stacked[layer] = torch.cat(first), torch.cat(second)
    fractions = masks.new_tensor(weights) / sum(weights)
    return StyleTarget(stacked, options.loss, fractions, masks)


def sized_style(style: Tensor, long_side: int, options: OptimizeOptions) -> Tensor:
    """Resize a style to what a picture with this longer side is compared with."""
    return resize(style, fit(size_of(style), max(16, round(long_side * options.style_scale))))
