"""Several processes that train together, as torchrun starts them."""

import os

import torch
import torch.distributed as dist
from torch import Tensor, nn

from nst.core.device import choose_device


def join_processes(device: str) -> tuple[int, int]:
    """Join torchrun's group when there is one; return this process's rank and their count."""
    if "RANK" not in os.environ:
        return 0, 1
    if not dist.is_initialized():
        backend = "nccl" if choose_device(device).type == "cuda" else "gloo"
        dist.init_process_group(backend)
        if backend == "nccl":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    return this_process()


def this_process() -> tuple[int, int]:
    """Return this process's rank and the count of those that train together."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def sum_over_processes(values: Tensor, world: int) -> None:
    """Add up a tensor of every process, in place."""
    if world > 1:
        dist.all_reduce(values)


def average_gradients(parameters: list[nn.Parameter], world: int) -> None:
    """Give every process the mean of all processes' gradients; all have the same ones."""
    if world == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    for g, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        g.copy_(part.view_as(g) / world)
