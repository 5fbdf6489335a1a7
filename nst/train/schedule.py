"""How far a training run is, by steps or by the clock, and the learning rate there."""

import math
import time

import torch
import torch.distributed as dist

from nst.errors import InputError
from nst.options.train import TrainConfig


class Schedule:
    """Progress from 0 to 1, by `--steps` or by `--minutes`.

    By the clock a run ends in time whatever the machine; of several processes the first one's
    clock counts.

    Args:
        step: the step to begin with.
        progress: how far an interrupted run had come, which then has the rest of its time.

    Raises:
        InputError: both or neither of the two options were given.
    """

    def __init__(self, config: TrainConfig, step: int = 0, progress: float = 0.0):
        if (config.steps is None) == (config.minutes is None):
            raise InputError("give either --minutes or --steps, to say how long to train")
        self.config, self.step, self._start, self._begun = config, step, progress, time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since this process began."""
        return time.monotonic() - self._begun

    def progress(self) -> float:
        """Return how much of the run is done; the same in every process."""
        if self.config.steps is not None:
            return min(1.0, self.step / self.config.steps)
        progress = torch.tensor(self._start + self.seconds / 60 / self.config.minutes)
        if dist.is_initialized():
            device = torch.cuda.current_device() if dist.get_backend() == "nccl" else "cpu"
            progress = progress.to(device)
            dist.broadcast(progress, 0)
        return min(1.0, float(progress))


def learning_rate(step: int, progress: float, config: TrainConfig) -> float:
    """Return the rate of a step: a linear rise, then half a cosine down to 0.

    The rise takes `warmup_steps`, and never more than the first tenth of the run.
    """
    rise = (step + 1) / config.warmup_steps if config.warmup_steps else 1.0
    if config.steps is not None:
        rise = max(rise, (step + 1) / max(1, config.steps // 10))
    elif progress > 0.1:
        rise = 1.0
    return config.learning_rate * min(1.0, rise) * 0.5 * (1 + math.cos(math.pi * progress))
