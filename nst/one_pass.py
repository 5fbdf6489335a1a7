"""One pass of a trained net over one image."""

from pathlib import Path

import torch
from torch import Tensor

from nst.errors import InputError
from nst.tensors import fit
from nst.transformer_net import TransformerNet

LEAST_SIDE = 16


@torch.inference_mode()
def stylize(net: TransformerNet, image: Tensor, code: Tensor, dtype: torch.dtype) -> Tensor:
    """Paint one image (1, 3, H, W) with one code (1, D), computed in `dtype`, given in float32."""
    return net(image.to(dtype), code, code.new_ones(1, 1)).float()


def working_size(
    size: tuple[int, int], long_side: int | None, source: str | Path
) -> tuple[int, int]:
    """Return the size to work at: that of the source, or the one with this longer side.

    Raises:
        InputError: a side would be below the 16 pixels that the net needs.
    """
    size = fit(size, long_side)
    if min(size) < LEAST_SIDE:
        raise InputError(
            f"{source} would be {size[1]}x{size[0]} pixels; "
            f"both sides must be at least {LEAST_SIDE}: give a larger one or another --long-side"
        )
    return size
