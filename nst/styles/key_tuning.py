"""A net tuned on painted frames, so that it paints the frames around them alike.

After Texler et al., "Interactive Video Stylization Using Few-Shot Patch-Based Training", 2020: a
net learns from patches of a few painted frames what becomes of what. Here a trained net is where
that begins, so that minutes suffice; the statistics of its norms are held at those of the painted
frames, so that a patch is painted as in the whole; and what the paintings become along the motion
teaches it too, on the frames where that is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nst.core.progress import OnProgress, tracked
from nst.core.tensors import size_of
from nst.losses.perceptual import at_least_float32
from nst.models.small_vgg import SmallVGGFeatures
from nst.models.transformer_net import TransformerNet, with_statistics

LAYERS = ("relu1_2", "relu2_2", "relu3_2", "relu4_1")
# Of patches: their side in pixels, at most, and how many there are in a step.
PATCH, PATCHES = 160, 2
FEATURES_WEIGHT = 0.25
NET_RATE, CODE_RATE = 2e-3, 2e-2
KEYS_PART = 0.5  # of the patches, from the paintings themselves


@dataclass(frozen=True)
class Example:
    """A frame and what it is to become.

    Args:
        frame, target: (1, 3, H, W).
        known: (1, 1, H, W), 1 where the target is known.
        weights: (1, K), those of the keys in its code.
    """

    frame: Tensor
    target: Tensor
    known: Tensor
    weights: Tensor


def tune_net(
    net: TransformerNet,
    codes: Tensor,
    keys: Sequence[Example],
    others: Sequence[Example],
    steps: int,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> tuple[TransformerNet, Tensor]:
    """Return a copy of a net that paints the keys' frames as they are painted, and folded codes.

    Args:
        net: in float32; tuned on its device.
        codes: (C, D), or (C, D + W) with kernels, to begin from the one nearest to the keys.
        keys: K of them.
        others: frames between, whose targets are the keys warped.
        seed: of the patches' places.

    Returns:
        The net, in evaluation mode, and the codes (K, D), with the statistics in them, see
        `TransformerNet.folded`.
    """
    device = net.output.weight.device
    vgg = SmallVGGFeatures().to(device)
    generator = torch.Generator().manual_seed(seed)
    net, code = net.with_kernels(_nearest(net, codes.to(device), keys[0]))
    net = net.train().requires_grad_(True)
    statistics = torch.cat([net.statistics(key.frame.to(device), code) for key in keys])
    found = code.repeat(len(keys), 1).requires_grad_()
    optimizer = torch.optim.Adam(
        [{"params": net.parameters(), "lr": NET_RATE}, {"params": [found], "lr": CODE_RATE}],
        betas=(0.9, 0.99),
    )
    slower = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [NET_RATE, CODE_RATE], total_steps=max(steps, 2), pct_start=0.1
    )
    for _ in tracked(range(steps), "learning the keyframes", steps, "step", on_progress):
        frame, target, known, weights = _patches(keys, others, generator, device)
        folded = with_statistics(found, statistics)
        painted = net(frame, folded, weights)
        loss = _distance(vgg, painted, target, known)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        slower.step()
    net = net.eval().requires_grad_(False)
    return net, with_statistics(found.detach(), statistics)


@torch.no_grad()
def _nearest(net: TransformerNet, codes: Tensor, key: Example) -> Tensor:
    """Return the code with which the net comes nearest to a key."""
    frame, target, known = (x.to(codes.device) for x in (key.frame, key.target, key.known))
    errors = []
    for code in codes:
        painted = net(frame, code[None], code.new_ones(1, 1))
        errors.append(float(((painted - target).abs() * known).mean()))
    return codes[errors.index(min(errors))][None]


def _patches(
    keys: Sequence[Example],
    others: Sequence[Example],
    generator: torch.Generator,
    device: torch.device,
) -> tuple[Tensor, ...]:
    """Return frames, targets, what is known and maps of weights of patches at random places."""
    height, width = (min(PATCH, side) for side in size_of(keys[0].frame))
    rows: list[tuple[Tensor, ...]] = []

    def below(count: int) -> int:
        return int(torch.randint(count, (), generator=generator))

    for i in range(PATCHES):
        pool = keys if not others or i < KEYS_PART * PATCHES else others
        one = pool[below(len(pool))]
        full = size_of(one.frame)
        top, left = below(full[0] - height + 1), below(full[1] - width + 1)
        place = (..., slice(top, top + height), slice(left, left + width))
        weights = one.weights[..., None, None].expand(-1, -1, height, width)
        rows.append((one.frame[place], one.target[place], one.known[place], weights))
    return tuple(torch.cat(parts).to(device) for parts in zip(*rows, strict=True))


def _distance(vgg: SmallVGGFeatures, painted: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Return how far patches are from their targets where these are known: colors and features."""
    total = ((painted - target).abs() * known).sum() / (3 * known.sum().clamp_min(1))
    # Where a target is unknown the two are made alike, so that no feature sees it.
    with torch.no_grad():
        wanted = vgg(target * known, LAYERS)
    found = vgg(painted * known, LAYERS)
    for layer in LAYERS:
        energy = at_least_float32(wanted[layer]).square().mean().sqrt().clamp_min(1e-6)
        total = (
            total + FEATURES_WEIGHT / len(LAYERS) * F.l1_loss(found[layer], wanted[layer]) / energy
        )
    return total
