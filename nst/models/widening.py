"""A wider net that begins as the map of a narrow one."""

import torch
from torch import Tensor

from nst.models.transformer_net import TransformerNet


def widened(net: TransformerNet, factor: int) -> TransformerNet:
    """Return a net with `factor` times the widths that paints the same pictures.

    With codes whose numbers are each repeated. Each channel is repeated and what reads it is
    divided (Chen et al., "Net2Net", 2016, section 2.3). The fractions differ a little from channel
    to channel, so that training takes the copies apart; as the copies are equal at first, only
    their sum matters.
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
    return wide


def widened_kernels(net: TransformerNet, kernels: Tensor, factor: int) -> Tensor:
    """Return what styles add to the widened net, (K, W'), of what they add to the net, (K, W)."""
    nothing, rows = net.plain_code(), []
    shared = _flat(widened(net, factor))
    for row in kernels:
        own, _ = net.with_kernels(torch.cat([nothing, row])[None])
        rows.append(_flat(widened(own, factor)) - shared)
    return torch.stack(rows)


def _flat(net: TransformerNet) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in net.weights_with(None)])
