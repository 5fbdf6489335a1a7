"""The record beside an optimized picture: options, losses, versions."""

import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from nst.core.device import dtype_name
from nst.core.files import open_log, write_json
from nst.errors import InputError
from nst.optimize.optimizers import Step

EVERY = 10  # steps between two entries of the record


def record_path(target: Path) -> Path:
    """Return where the record of a picture is written."""
    return target.with_suffix(".json")


def check_record(target: Path) -> None:
    """Refuse to write a picture's record over a file that is none.

    Raises:
        InputError: there is another file of that name.
    """
    path = record_path(target)
    if not path.exists():
        return
    try:
        ours = {"options", "losses", "torch"} <= set(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        ours = False
    if not ours:
        raise InputError(
            f"{path} would be overwritten by the record of {target.name}: rename it, or give "
            "another --output"
        )


class Record:
    """The JSON file beside a picture, with what is needed to make it again."""

    def __init__(self, config, target: Path, device: torch.device, dtype: torch.dtype):
        self.path = record_path(target)
        self._begun = time.perf_counter()
        self._entry: dict = {}
        self._losses: list[dict] = []
        self._head = {
            "options": asdict(config),
            "device": str(device),
            "dtype": dtype_name(dtype),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "python": platform.python_version(),
        }

    def add(self, count: int, size: tuple[int, int], step: Step, plan) -> None:
        """Note a step; every tenth and the last of a scale are kept."""
        new_scale = self._entry and self._entry["size"] != [*size]
        if self._entry and (new_scale or self._entry["step"] % EVERY == 0):
            self._losses.append(self._entry)
        total = {"total": step.total}
        self._entry = {"step": count, "size": [*size], **asdict(plan), **step.terms, **total}

    def write(self, complete: bool) -> None:
        """Write the file, beside and then renamed."""
        entries = [*self._losses, self._entry]
        seconds = round(time.perf_counter() - self._begun, 2)
        whole = {**self._head, "complete": complete, "seconds": seconds, "losses": entries}
        write_json(self.path, whole)


def step_log(folder: Path | None) -> Callable[[int, Step], None]:
    """Return a function that logs a step's terms, and every tenth picture, to TensorBoard."""
    if folder is None:
        return lambda count, step: None
    writer = open_log(folder)

    def log(count: int, step: Step) -> None:
        for name, value in {**step.terms, "total": step.total}.items():
            writer.add_scalar(f"loss/{name}", value, count)
        if count % EVERY == 0:
            writer.add_image("picture", step.image[0].clamp(0, 1).cpu(), count)
            writer.flush()

    return log
