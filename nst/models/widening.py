"""A wider net that begins as the map of a narrow one."""

import torch
from torch import Tensor

from nst.models.transformer_net import TransformerNet


def widened(net: TransformerNet, codes: Tensor, factor: int) -> tuple[TransformerNet, Tensor]:
    """Return a net with `factor` times the widths, and its codes, that paints the same pictures.

    Each channel is repeated and what reads it is divided (Chen et al., "Net2Net", 2016, section
    2.3). The fractions differ a little from channel to channel, so that training takes the copies
    apart; as the copies are equal at first, only their sum matters.
    """
    widths = tuple(factor * width for width in net.widths)
    wide = TransformerNet(widths, net.blocks, net.unshuffle)
    generator = torch.Generator().manual_seed(0)

    def widen(weight: Tensor, inputs: bool, outputs: bool) -> Tensor:
        if outputs:
            weight = weight.repeat_interleave(factor, 0)
        if not inputs:
            return weight
        noise = torch.rand(*weight.shape[:2], factor, 1, 1, generator=generator) - 0.5
        fractions = (1 + noise - noise.mean(2, keepdim=True)) / factor
        return (weight[:, :, None] * fractions).flatten(1, 2)

    state = {}
    for name, value in net.state_dict().items():
        last = name.startswith("output.")
        if name.endswith("bias"):
            state[name] = value
        else:
            state[name] = widen(value, inputs=name != "encoder.0.weight", outputs=not last)
    wide.load_state_dict(state)
    return wide, codes.repeat_interleave(factor, 1)
