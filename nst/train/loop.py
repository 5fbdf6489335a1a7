"""The story of a training run: photos and style pictures in, one checkpoint out.

Data parallel by `torchrun --nproc-per-node=N train.py ...`: each process takes its part of each
step's samples and the gradients are averaged.
"""

import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from nst.core.device import choose_device, choose_dtype, keep_memory
from nst.errors import InputError
from nst.losses.perceptual import (
    content_loss,
    relative_error,
    style_loss,
    temporal_feature_loss,
    temporal_loss,
    total_variation,
)
from nst.models.checkpoint import IDENTITY, Checkpoint, load_checkpoint
from nst.models.transformer_net import TransformerNet, widened
from nst.models.vgg import VGGFeatures
from nst.models.weights import load_vgg19
from nst.motion.warp import resize_flow, warp
from nst.options.train import TrainConfig
from nst.styles.pictures import load_style
from nst.train.datasets import hold_out, load_contents, steps_of
from nst.train.distributed import average_gradients, join_processes
from nst.train.log import TrainingLog, describe
from nst.train.sources import find_targets
from nst.train.state import check_output, resume, save
from nst.train.synthetic_motion import SecondFrame, second_frame, true_second_frame

MEMORY_FORMAT = {"memory_format": torch.channels_last}


def train(config: TrainConfig) -> None:
    """Train the checkpoint that `config` describes and write it, with its log beside it.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    rank, world = join_processes(config.device)
    try:
        _train(config, rank, world)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _train(config: TrainConfig, rank: int, world: int) -> None:
    torch.manual_seed(config.seed)
    check_output(config)
    contents = load_contents(config.content_dir, config.size)
    if len(contents) <= config.holdout:
        raise InputError(
            f"--content-dir has {len(contents)} pictures that can be used; "
            f"it needs more than the {config.holdout} of --holdout"
        )
    held_out, contents = hold_out(contents, config.holdout)
    targets = find_targets(config)
    keep_memory()
    device = choose_device(config.device)
    dtype = choose_dtype(config.precision, device)
    # On a CPU the norms' backward pass is twice as slow in bfloat16 as in float32; VGG has none.
    net_dtype = dtype if device.type == "cuda" else torch.float32
    checkpoint = start(config, {} if config.any_style else targets.files)
    checkpoint.training.update(describe(config, dtype, len(contents), world))

    vgg = VGGFeatures(load_vgg19(config.vgg)).to(device, dtype)
    net = checkpoint.net.to(device, **MEMORY_FORMAT).requires_grad_(not config.only_codes)
    groups = targets.prepare(checkpoint, vgg, device)
    if not config.only_codes:
        groups.append({"params": list(net.parameters()), "scale": 1.0})
    parameters = [p for group in groups for p in group["params"]]
    optimizer = torch.optim.Adam(groups, lr=config.learning_rate)
    first = resume(config, checkpoint, optimizer) if config.resume else 0

    places = range(rank * config.batch, (rank + 1) * config.batch)
    loader = DataLoader(
        targets.samples(contents),
        batch_sampler=list(steps_of(first, config.steps, places)),
        num_workers=config.workers,
        persistent_workers=config.workers > 0,
    )
    log = TrainingLog(config, targets.names) if rank == 0 else None
    bar = tqdm(
        loader, "training", config.steps, initial=first, unit="step", smoothing=0.05,
        disable=config.quiet or rank > 0,
    )  # fmt: skip
    step, begun = first, time.perf_counter()
    try:
        with _interrupts_held_back() as interrupt:
            for crops, *drawn in bar:
                image = _on(device, crops[:, 0])
                codes, style, row, grams = targets.of_step(*drawn)
                second = None
                if config.temporal_weight:
                    second = second_frame(image, (config.seed, step, 1), places)
                    second = true_second_frame(image, _on(device, crops[:, 1]), second)
                terms = losses(
                    net,
                    codes,
                    vgg,
                    grams,
                    image.to(net_dtype),
                    style,
                    row,
                    config,
                    second,
                )
                for group in optimizer.param_groups:
                    group["lr"] = group["scale"] * learning_rate(step, config)
                optimizer.zero_grad(set_to_none=True)
                terms["total"].mean().backward()
                average_gradients(parameters, world)
                nn.utils.clip_grad_norm_(parameters, 1.0)
                optimizer.step()
                step += 1
                if log and step % config.log_every == 0:
                    if not terms["total"].isfinite().all():
                        raise InputError(
                            f"the loss is no number at step {step}: give a lower --learning-rate; "
                            "what was saved before stays"
                        )
                    speed = (step - first) * config.batch * world / (time.perf_counter() - begun)
                    rate = learning_rate(step - 1, config)
                    log.terms(step, terms, style, targets.labels(style), rate, speed)
                    bar.set_postfix(loss=f"{terms['total'].mean().item():.3f}")
                if log and (step % config.validate_every == 0 or step == config.steps):
                    log.validate(step, net, *targets.held_out(), vgg, held_out, config)
                if rank == 0 and step % config.save_every == 0:
                    save(config, checkpoint, optimizer, step)
                if interrupt.is_set():
                    raise KeyboardInterrupt
    except KeyboardInterrupt:
        if rank == 0 and step > first:
            save(config, checkpoint, optimizer, step)
        raise
    finally:
        bar.close()
        if log:
            log.writer.close()
    if rank == 0:
        save(config, checkpoint, optimizer, step)


def losses(
    net: TransformerNet,
    codes: Tensor,
    vgg: VGGFeatures,
    grams: dict[str, Tensor],
    image: Tensor,
    style: Tensor,
    row: Tensor,
    config: TrainConfig,
    second: SecondFrame | None = None,
) -> dict[str, Tensor]:
    """Return each loss term of each sample (N,), weighted, and their `total`.

    A sample of the identity has a content and a pixel term; the others content, style and total
    variation. Terms that a sample does not have are 0. With a `second` frame all have a
    temporal one: along the motion the result may change by the change of light, not otherwise.

    Args:
        grams: layer -> (styles, C, C).
        style: (N,), 0 = identity, else 1 + the row in `grams`.
        row: (N,), the row in `codes`.
    """
    weights = nn.functional.one_hot(row, len(codes)).to(codes.dtype)
    stylized, encoded = net.paint(image, codes, weights)
    stylized = stylized.float()
    with torch.no_grad():
        target = vgg(image, config.content_layers)
    features = vgg(stylized, (*config.content_layers, *config.style_layers))
    painted = (style > 0).float()
    target_grams = {k: v[(style - 1).clamp_min(0)] for k, v in grams.items()}
    terms = {
        "content": config.content_weight * content_loss(features, target),
        "style": config.style_weight * style_loss(features, target_grams) * painted,
        "tv": config.tv_weight * total_variation(stylized) * painted,
        "identity": 10 * relative_error(stylized, image) * (1 - painted),
    }
    if second is not None:
        followed, encoded_after = net.paint(second.image.to(image.dtype), codes, weights)
        carried = warp(stylized, second.flow)
        change = temporal_loss(followed.float(), carried, second.validity, second.light)
        terms["temporal"] = config.temporal_weight * change
        size = encoded.shape[-2:]
        carried = warp(encoded, resize_flow(second.flow, size))
        validity = F.interpolate(second.validity, size=size, mode="area")
        change = temporal_feature_loss(encoded_after, carried, validity)
        terms["temporal_features"] = config.temporal_feature_weight * change
    return {**terms, "total": sum(terms.values())}


def learning_rate(step: int, config: TrainConfig) -> float:
    """Return the rate of a step: a linear rise, then half a cosine down to 0."""
    rise = min(config.warmup_steps, config.steps // 10)
    if step < rise:
        return config.learning_rate * (step + 1) / rise
    progress = (step - rise) / max(1, config.steps - rise)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def start(config: TrainConfig, files: Mapping[str, Path]) -> Checkpoint:
    """Return the net and codes to begin with: new ones, or those of --init with codes added.

    A style that --init does not have begins where its encoder says, else from the mean of those it
    has. A wider net than that of --init begins as the same map.
    """
    if config.only_codes and not config.init:
        raise InputError("--only-codes needs a net to leave alone: give --init")
    if config.only_codes and config.any_style:
        raise InputError("--any-style trains a net for all codes: leave out --only-codes")
    if config.widths is not None and len(config.widths) != 3:
        raise InputError(f"--widths has {len(config.widths)} numbers; it needs three")
    if config.init is None:
        net = TransformerNet(config.widths or (32, 64, 128), config.blocks)
        codes = net.plain_code().repeat(1 + len(files), 1)
        return Checkpoint(net, codes, (IDENTITY, *files))
    given = load_checkpoint(config.init)
    if config.widths not in (None, given.net.widths):
        if given.encoder:
            raise InputError("--widths: a net with an encoder cannot grow; leave it out")
        factor = config.widths[0] // given.net.widths[0]
        if config.widths != tuple(factor * width for width in given.net.widths):
            raise InputError(
                f"--widths is {config.widths}; --init has {given.net.widths}: give a multiple"
            )
        given.net, given.codes = widened(given.net, given.codes, factor)
    added = [name for name in files if name not in given.styles]
    if given.encoder:
        begun = [given.encoder(load_style(files[name], config.style_size)) for name in added]
    else:
        begun = [given.codes[1:].mean(0, keepdim=True)] * len(added)
    codes = torch.cat([given.codes, *begun])
    history = {"init": Path(config.init).stem, "init_training": given.training}
    # An encoder's codes are for one net: it is kept where that stays, or learns with it.
    kept = given.encoder if config.only_codes or config.any_style else None
    styles = (*given.styles, *added)
    return Checkpoint(given.net, codes, styles, history, given.pictures, kept)


def _on(device: torch.device, crops: Tensor) -> Tensor:
    return crops.to(device, **MEMORY_FORMAT).to(torch.float32) / 255


@contextmanager
def _interrupts_held_back() -> Iterator[threading.Event]:
    """Turn Ctrl-C into an event, so that no step is left half done; a second one stops at once."""
    asked = threading.Event()

    def ask(number, frame) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
