"""The colors of what the content loss holds: a photo's shapes in the paintings' colors."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nst.core.color import match_color
from nst.core.tensors import resize, size_of


def in_colors_of(
    content: Tensor,
    styles: Sequence[Tensor],
    blend: Sequence[float] | None,
    masks: Sequence[Tensor] = (),
    measured: Tensor | None = None,
) -> Tensor:
    """Return a content (1, 3, H, W) in the colors of its style, of a blend, or of its regions'.

    The content loss would hold the photo's own colors against the style otherwise.

    Args:
        blend: weights of the styles; None weighs them alike.
        masks: (1, 1, h, w), where each style is, or the only one; none blends them everywhere.
        measured: see `match_color`.
    """
    if masks:
        weights = [resize(mask, size_of(content)) for mask in masks]
        styles = [*styles] * len(masks) if len(styles) == 1 else styles
    else:
        weights = [torch.tensor(weight) for weight in blend or (1.0,) * len(styles)]
    pairs = zip(styles, weights, strict=True)
    matched = [match_color(content, s.to(content), measured) * w for s, w in pairs]
    mixed, total = sum(matched[1:], matched[0]), sum(weights[1:], weights[0])
    if not masks:
        return mixed / total
    # Where no region is, the content is as it was.
    return mixed / total.clamp_min(1) + content * (1 - total).clamp_min(0)
