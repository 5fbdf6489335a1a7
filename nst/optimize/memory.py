"""Fits an optimized picture into memory: as a whole, recomputing features, or in tiles."""

from dataclasses import dataclass

import torch

from nst.core.device import free_memory
from nst.errors import InputError
from nst.models.vgg import BLOCKS, CONVOLUTIONS, LAYERS
from nst.options.optimize import OptimizeOptions

TILE = 512
HALO = 80  # around a tile, on each side
HISTORY, MIN_HISTORY = 20, 4


@dataclass(frozen=True)
class Plan:
    """How the free memory is used.

    Args:
        tile, recompute: see `Objective`.
        history: see `optimizers.lbfgs`.
    """

    tile: int | None
    recompute: bool
    history: int


def plan_memory(
    size: tuple[int, int], options: OptimizeOptions, device: torch.device, dtype: torch.dtype
) -> Plan:
    """Choose between the whole picture, recomputing features, and tiles, by the free memory.

    Raises:
        InputError: not even tiles fit.
    """
    pixels = size[0] * size[1]
    layers = (*options.style_layers, *options.content_layers)
    free = 0.8 * free_memory(device)
    image = 4 * 3 * pixels
    pair = 2 * image if options.optimizer == "lbfgs" else 0
    # The image, its gradient, what the pixel terms and the optimizer take, the content's features.
    held = 12 * image + pixels * 32

    def plan(tile: int | None, recompute: bool) -> Plan | None:
        area = pixels if tile is None else min(pixels, (tile + 2 * HALO) ** 2)
        left = free - held - _pass_bytes(area, layers, dtype, recompute)
        if left < MIN_HISTORY * pair:
            return None
        return Plan(tile, recompute, int(min(HISTORY, left // pair)) if pair else HISTORY)

    if options.tile:
        tile = options.tile if options.tile < max(size) else None
        return plan(tile, False) or Plan(tile, False, MIN_HISTORY)
    if found := plan(None, False) or plan(None, True) or plan(TILE, False):
        return found
    needed = held + MIN_HISTORY * pair + _pass_bytes((TILE + 2 * HALO) ** 2, layers, dtype)
    raise InputError(
        f"{size[1]}x{size[0]} pixels need about {needed / 0.8 / 2**30:.1f} GB and "
        f"{free / 0.8 / 2**30:.1f} GB are free: give a smaller --long-side"
    )


def _pass_bytes(
    pixels: int, layers: tuple[str, ...], dtype: torch.dtype, recompute: bool = False
) -> float:
    """Return the bytes of a forward and backward pass: kept maps, gradients, float32 copies."""
    deepest = max(map(LAYERS.index, layers))
    blocks = [b for b, _ in CONVOLUTIONS[: deepest + 1]]
    maps = [BLOCKS[b][0] / 4 ** (b - 1) for b in blocks]
    kept = sum(maps) if not recompute else 2 * maps[0]
    wanted = sum(BLOCKS[int(n[4])][0] / 4 ** (int(n[4]) - 1) for n in set(layers))
    size = dtype.itemsize
    return pixels * (size * (1.3 * kept + 3 * maps[0]) + (4 + size) * wanted)
