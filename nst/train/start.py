"""The net and the codes that a training run begins with."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from nst.errors import InputError
from nst.models.checkpoint import IDENTITY, Checkpoint, interpolated_codes, load_checkpoint
from nst.models.transformer_net import TransformerNet
from nst.models.widening import widened, widened_kernels
from nst.options.train import TrainConfig
from nst.styles.pictures import load_style

WIDTHS, BLOCKS, UNSHUFFLE, GRAIN = (16, 32, 64), 5, 2, 0.03  # of a new net


def start(config: TrainConfig, files: Mapping[str, Path]) -> Checkpoint:
    """Return the net and codes to begin with: new ones, or those of --init-checkpoint and more.

    A style that the given checkpoint does not have begins where its encoder says, else from the
    mean of those it has. A wider net than the given one begins as the same map. The grain to train
    with is `Checkpoint.grain` of what is returned.

    Raises:
        InputError: options that do not go together, or no such checkpoint.
    """
    check(config)
    if config.init_checkpoint is None:
        net = TransformerNet(
            config.widths or WIDTHS, config.blocks or BLOCKS, config.unshuffle or UNSHUFFLE
        )
        codes = net.plain_code().repeat(1 + len(files), 1)
        begun, grain = Checkpoint(net, codes, (IDENTITY, *files)), GRAIN
    else:
        begun, grain = _continued(config, files)
    begun.training["options"] = {"grain": grain if config.grain is None else config.grain}
    scales = config.style_scales
    if begun.encoder is None and scales != begun.scales:
        given = begun.codes[None] if begun.scaled_codes is None else begun.scaled_codes
        scaled = torch.stack([interpolated_codes(given, begun.scales, scale) for scale in scales])
        begun.scales, begun.scaled_codes = scales, scaled if len(scales) > 1 else None
    return begun


def check(config: TrainConfig) -> None:
    """Refuse options that do not go together, before anything is read.

    Raises:
        InputError: says which.
    """
    if config.only_codes and config.any_style:
        raise InputError("--any-style trains a net for all codes: leave out --only-codes")
    if config.widths is not None and len(config.widths) != 3:
        raise InputError(f"--widths has {len(config.widths)} numbers; it needs three")
    if config.batch % config.pictures_per_style and not config.any_style:
        raise InputError(
            f"--batch is {config.batch}; it must be a multiple of --pictures-per-style, "
            f"{config.pictures_per_style}"
        )
    scales = config.style_scales
    if list(scales) != sorted(set(scales)) or 1.0 not in scales:
        raise InputError(f"--style-scales is {scales}: give rising numbers, with 1 among them")


def _continued(config: TrainConfig, files: Mapping[str, Path]) -> tuple[Checkpoint, float]:
    """Return what --init-checkpoint becomes, and the grain it was trained with."""
    given = load_checkpoint(config.init_checkpoint)
    if config.only_codes and config.grain not in (None, given.grain):
        raise InputError(
            f"--grain is {config.grain}; the net of --init-checkpoint stays and was trained with "
            f"{given.grain}: leave it out"
        )
    for name in ("blocks", "unshuffle"):
        wanted, found = getattr(config, name), getattr(given.net, name)
        if wanted not in (None, found):
            raise InputError(
                f"--{name} is {wanted}; the net of --init-checkpoint has {found}: leave it out, "
                "or start a new net with --config fast"
            )
    scaled = given.codes[None] if given.scaled_codes is None else given.scaled_codes
    if config.widths not in (None, given.net.widths):
        if given.encoder:
            raise InputError("--widths: a net with an encoder cannot grow; leave it out")
        factor = config.widths[0] // given.net.widths[0]
        if config.widths != tuple(factor * width for width in given.net.widths):
            raise InputError(
                f"--widths is {config.widths}; --init-checkpoint has {given.net.widths}: "
                "give a multiple"
            )
        narrow, given.net = given.net, widened(given.net, factor)
        scaled = scaled.repeat_interleave(factor, 2)
        if given.kernels is not None:
            given.kernels = widened_kernels(narrow, given.kernels, factor)
    added = [name for name in files if name not in given.styles]
    scaled = torch.cat([scaled, *(_begun(given, scaled, files[n], config) for n in added)], 1)
    kernels = given.kernels
    if kernels is not None and added:
        # What an encoder says is for the net without kernels.
        begin = kernels[1:].mean(0) if given.encoder is None else torch.zeros_like(kernels[0])
        kernels = torch.cat([kernels, begin.expand(len(added), -1)])
    history = {
        "init_checkpoint": Path(config.init_checkpoint).stem, "init_training": given.training
    }  # fmt: skip
    # An encoder's codes are for one net: it is kept where that stays, or learns with it.
    kept = given.encoder if config.only_codes or config.any_style else None
    made = Checkpoint(
        given.net,
        scaled[given.scales.index(1.0)],
        (*given.styles, *added),
        history,
        given.pictures,
        kept,
        given.scales,
        scaled if len(scaled) > 1 else None,
        None if config.any_style else kernels,
    )
    return made, given.grain


def _begun(given: Checkpoint, scaled: Tensor, file: Path, config: TrainConfig) -> Tensor:
    """Return the codes (S, 1, D) that a style begins with."""
    if given.encoder is None:
        return scaled[:, 1:].mean(1, keepdim=True)
    with torch.no_grad():
        return given.encoder(load_style(file, config.style_size)).expand(len(scaled), 1, -1)
