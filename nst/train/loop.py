"""Training: photos and style pictures in, one checkpoint out.

Data parallel by `torchrun --nproc-per-node=N train.py ...`: each process takes its part of each
step's samples and the gradients are averaged.
"""

import signal
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import DataLoader

from nst.core.device import choose_device, choose_dtype, keep_memory
from nst.core.progress import OnProgress, Progress, collected_warnings
from nst.core.reports import TrainReport
from nst.core.tensors import size_of
from nst.core.threads import interrupts_held_back
from nst.errors import InputError
from nst.models.checkpoint import Checkpoint
from nst.motion.grain import grain
from nst.options.train import TrainConfig
from nst.train.datasets import decoded, hold_out, load_contents, steps_of
from nst.train.distributed import average_gradients, join_processes
from nst.train.log import TrainingLog, describe
from nst.train.loss_nets import LossNets
from nst.train.schedule import Schedule, learning_rate
from nst.train.start import check, start
from nst.train.state import check_output, check_same_run, describe_run, resume, save
from nst.train.style_targets import StyleTable, find_targets
from nst.train.synthetic_motion import second_frame, true_second_frame
from nst.train.terms import losses

SAVE_MINUTES = 3.0  # between two checkpoints of a run by the clock
MEMORY_FORMAT: dict[str, Any] = {"memory_format": torch.channels_last}


def train(config: TrainConfig, on_progress: OnProgress | None = None) -> TrainReport:
    """Train the checkpoint that `config` describes and write it, with its log beside it.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    begun = time.perf_counter()
    rank, world = join_processes(config.device)
    try:
        with collected_warnings() as warned:
            checkpoint = _train(config, rank, world, on_progress if rank == 0 else None)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
    return TrainReport(
        output=config.output,
        styles=checkpoint.styles,
        steps=checkpoint.training.get("steps_done", 0),
        seconds=time.perf_counter() - begun,
        warnings=tuple(warned),
    )


def _train(
    config: TrainConfig, rank: int, world: int, on_progress: OnProgress | None
) -> Checkpoint:
    """Train as one of `world` processes and return the checkpoint."""
    device = choose_device(config.device)
    dtype = choose_dtype(config.precision, device, gradients=True)
    torch.manual_seed(config.seed)
    check_output(config)
    check(config)
    Schedule(config)  # refuses what it cannot follow before anything is read
    contents = load_contents(config.content_dir, config.crop_size)
    if len(contents) <= config.holdout:
        raise InputError(
            f"--content-dir has {len(contents)} pictures that can be used; "
            f"it needs more than the {config.holdout} of --holdout"
        )
    held_out, contents = hold_out(contents, config.holdout)
    targets = find_targets(config)
    run = describe_run(config, targets.files, len(contents))
    if config.resume:
        check_same_run(config, run)
    keep_memory()
    # On a CPU the norms' backward pass is twice as slow in bfloat16 as in float32.
    net_dtype = dtype if device.type != "cpu" else torch.float32
    checkpoint = start(config, targets.files if isinstance(targets, StyleTable) else {})
    config = replace(config, grain=checkpoint.grain)
    checkpoint.training.update(describe(config, dtype, len(contents), world))

    loss_nets = LossNets(config, device, dtype)
    net = checkpoint.net.to(device, **MEMORY_FORMAT).requires_grad_(not config.only_codes)
    groups = targets.prepare(checkpoint, device)
    if not config.only_codes:
        groups.append({"params": list(net.parameters()), "scale": 1.0})
    parameters = [p for group in groups for p in group["params"]]
    optimizer = torch.optim.Adam(groups, lr=config.learning_rate)
    first, done = resume(config, checkpoint, targets, optimizer) if config.resume else (0, 0.0)

    places = range(rank * config.batch, (rank + 1) * config.batch)
    loader = DataLoader(
        targets.samples(decoded(contents, 2 * config.crop_size)),
        batch_sampler=steps_of(first, config.steps, places),
        num_workers=config.workers,
        persistent_workers=config.workers > 0,
        pin_memory=device.type == "cuda",
    )
    log = TrainingLog(config, targets.names) if rank == 0 else None
    # By the clock seconds are counted.
    total = config.steps or round(60 * config.minutes)
    note = ""
    schedule = Schedule(config, first, done)
    saved = done
    try:
        with interrupts_held_back(deliver=False) as interrupt:
            for crops, *drawn in loader:
                step, progress = schedule.step, schedule.progress()
                if progress >= 1:
                    break
                loss_net = loss_nets.at(progress)
                batch = targets.of_step(loss_net, *drawn)
                image = _on(device, crops[:, 0])
                noisy = (image + _grain(config, step, places, image)).clamp(0, 1)
                second = None
                if config.temporal_weight:
                    second = second_frame(noisy, (config.seed, step, 1), places)
                    second = true_second_frame(noisy, _on(device, crops[:, 1]), second)
                terms = losses(net, batch, loss_net, image, noisy.to(net_dtype), config, second)
                rate = learning_rate(step, progress, config)
                for group in optimizer.param_groups:
                    group["lr"] = group["scale"] * rate
                optimizer.zero_grad(set_to_none=True)
                terms["total"].mean().backward()
                average_gradients(parameters, world)
                nn.utils.clip_grad_norm_(parameters, 1.0)
                optimizer.step()
                schedule.step = step = step + 1
                progress = schedule.progress()
                if log and step % config.log_every == 0:
                    if not terms["total"].isfinite().all():
                        raise InputError(
                            f"the loss is no number at step {step}: give a lower --learning-rate; "
                            "what was saved before stays"
                        )
                    speed = (step - first) * config.batch * world / schedule.seconds
                    log.terms(step, terms, batch.style, targets.labels(batch.style), rate, speed)
                    loss = f"{terms['total'].mean().item():.3f}"
                    note = f"loss={loss}, pictures_per_s={speed:.1f}"
                if on_progress:
                    count = step if config.steps else round(min(1.0, progress) * total)
                    unit = "step" if config.steps else "s"
                    on_progress(Progress("training", count, total, unit, note))
                if log and (step % config.validate_every == 0 or progress >= 1):
                    log.validate(step, net, targets.held_out(loss_net), loss_net, held_out, config)
                if rank == 0 and _save_is_due(config, step, progress, saved):
                    save(config, run, checkpoint, targets, optimizer, step, progress)
                    saved = progress
                if interrupt.is_set():
                    signal.raise_signal(interrupt.number)
    except KeyboardInterrupt:
        if rank == 0 and schedule.step > first:
            done = min(schedule.progress(), 1 - 1e-6)
            save(config, run, checkpoint, targets, optimizer, schedule.step, done)
        raise
    finally:
        if log:
            log.writer.close()
    if rank == 0:
        save(config, run, checkpoint, targets, optimizer, schedule.step, 1.0)
    return checkpoint


def _save_is_due(config: TrainConfig, step: int, progress: float, saved: float) -> bool:
    if config.steps is not None:
        return step % config.save_every == 0
    return (progress - saved) * config.minutes >= SAVE_MINUTES


def _grain(config: TrainConfig, step: int, places: range, image: Tensor) -> Tensor:
    """Return grain (N, 3, H, W) of none to 5/3 of the amplitude: nets paint without it too."""
    if not config.grain:
        return torch.zeros(1, 1, 1, 1, device=image.device)
    amplitudes, maps = [], []
    for place in places:
        random = np.random.default_rng((config.seed, step, place, 3))
        amplitudes.append(config.grain * random.choice([0, 1, 5 / 3], p=[0.3, 0.5, 0.2]))
        maps.append(grain(size_of(image), int(random.integers(2**31))))
    amplitudes = torch.tensor(amplitudes, dtype=torch.float32).view(-1, 1, 1, 1)
    return (amplitudes * torch.cat(maps)).to(image.device)


def _on(device: torch.device, crops: Tensor) -> Tensor:
    return crops.to(device, **MEMORY_FORMAT).to(torch.float32) / 255
