"""What an interrupted training run needs to go on as if it had not been."""

import os
from pathlib import Path

import torch

from nst.core.files import replacing
from nst.errors import InputError
from nst.models.checkpoint import Checkpoint, save_checkpoint
from nst.options.train import TrainConfig


def state_path(config: TrainConfig) -> Path:
    """Return where the optimiser's state lies while a run is unfinished: beside the checkpoint."""
    return config.output.with_suffix(".state.pt")


def check_output(config: TrainConfig) -> None:
    """Refuse an --output or a --resume that could not work, before anything is read.

    Raises:
        InputError: says which and why.
    """
    output = config.output
    if output.suffix != ".safetensors":
        raise InputError(f"--output is {output}: its ending must be .safetensors")
    if not output.parent.is_dir() or not os.access(output.parent, os.W_OK):
        raise InputError(f"the folder {output.parent} of --output is missing or cannot be written")
    if config.resume and not state_path(config).is_file():
        raise InputError(f"--resume found no {state_path(config)}: start the run without it")


def save(
    config: TrainConfig, checkpoint: Checkpoint, targets, optimizer, step: int, progress: float
) -> None:
    """Write the checkpoint and, until all is done, the state to resume from.

    Args:
        targets: `StyleTable` or `AnyStyle`, which holds the codes.
        progress: of the whole run, 0 to 1.
    """
    checkpoint.training["steps_done"] = step
    targets.finish(checkpoint)
    # Half precision is enough to paint with; the state below keeps all of it.
    save_checkpoint(config.output, checkpoint, torch.float16)
    path = state_path(config)
    if progress >= 1:
        path.unlink(missing_ok=True)
        return
    state = {
        "step": step,
        "progress": progress,
        "net": checkpoint.net.state_dict(),
        "codes": targets.codes.detach(),
        "encoder": checkpoint.encoder.state_dict() if checkpoint.encoder else None,
        "optimizer": optimizer.state_dict(),
        "random": torch.get_rng_state(),
    }
    with replacing(path) as partial:
        torch.save(state, partial)


def resume(config: TrainConfig, checkpoint: Checkpoint, targets, optimizer) -> tuple[int, float]:
    """Bring everything to where the run stopped; return the next step and the progress so far.

    Raises:
        InputError: the state is of another run or cut short.
    """
    try:
        state = torch.load(state_path(config), map_location="cpu", weights_only=True)
        checkpoint.net.load_state_dict(state["net"])
        if checkpoint.encoder:
            checkpoint.encoder.load_state_dict(state["encoder"])
        with torch.no_grad():
            targets.codes.copy_(state["codes"])
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])
        return state["step"], state["progress"]
    except Exception as error:  # torch.load raises many kinds for a file that is not its own
        raise InputError(
            f"{state_path(config)} does not fit this run: give the same options, "
            "or start without --resume"
        ) from error
