"""What an interrupted training run needs to go on as if it had not been."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch

from nst.core.files import check_place, replacing
from nst.core.progress import warn
from nst.errors import InputError
from nst.models.checkpoint import Checkpoint, save_checkpoint
from nst.options.train import CHECKPOINT, STATE, TrainConfig
from nst.options.unfinished import refuse_other_options

# What may differ between a run and the one that goes on with it: where things are, how long it
# takes, how it is recorded and on what machine. What the pictures show is compared by itself.
FREE = (
    *("resume", "quiet", "output", "content_dir", "style_dir", "steps", "minutes", "log_dir"),
    *("log_every", "save_every", "validate_every", "workers", "device", "precision", "vgg"),
)


def checkpoint_path(config: TrainConfig) -> Path:
    """Return where the checkpoint is written.

    Raises:
        InputError: `output` was not given.
    """
    if config.output is None:
        raise InputError("--output must be given: where to write the checkpoint")
    return config.output


def state_path(config: TrainConfig) -> Path:
    """Return where the optimizer's state lies while a run is unfinished: beside the checkpoint."""
    return checkpoint_path(config).with_suffix(STATE)


def check_output(config: TrainConfig) -> None:
    """Refuse an --output or a --resume that could not work, before anything is read.

    Raises:
        InputError: says which and why.
    """
    check_place(checkpoint_path(config), "--output", [CHECKPOINT])
    path = state_path(config)
    if config.resume and not path.is_file():
        raise InputError(f"--resume found no {path}: start the run without it")
    if path.exists() and not config.resume:
        raise InputError(
            f"{path} is of an unfinished run: give --resume to go on with it, another --output, or "
            "delete that file"
        )


def describe_run(config: TrainConfig, styles: Mapping[str, Path], photos: int) -> dict:
    """Return what has to be the same where a run goes on: options, styles and photos.

    Args:
        styles: the style pictures by their names.
        photos: how many there are to train on.
    """
    options = {name: str(value) for name, value in asdict(config).items() if name not in FREE}
    digests = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in styles.items()}
    return {"options": options, "styles": digests, "photos": photos}


def check_same_run(config: TrainConfig, run: dict) -> None:
    """Refuse to go on with other options or styles than those the run was begun with.

    Args:
        run: of `describe_run`, as it is now.

    Raises:
        InputError: names what differs; or the state is no such file.
    """
    path = state_path(config)
    try:
        before = torch.load(path, map_location="cpu", weights_only=True)["run"]
        then, styles, photos = before["options"], before["styles"], before["photos"]
    except Exception as error:  # torch.load raises many kinds for a file that is not its own
        raise InputError(_does_not_fit(path)) from error
    refuse_other_options(then, run["options"], "--resume")
    if styles.keys() != run["styles"].keys():
        raise InputError(
            f"--resume: the styles were {', '.join(styles)} and are {', '.join(run['styles'])}; "
            "give the same --style-dir"
        )
    changed = [name for name, digest in styles.items() if digest != run["styles"][name]]
    if changed:
        raise InputError(
            f"--resume: the picture of {', '.join(changed)} is another than before; "
            "give the same --style-dir"
        )
    if photos != run["photos"]:
        warn(f"--content-dir had {photos} pictures and has {run['photos']}: it goes on with these")


def save(
    config: TrainConfig,
    run: dict,
    checkpoint: Checkpoint,
    targets,
    optimizer,
    step: int,
    progress: float,
) -> None:
    """Write the checkpoint and, until all is done, the state to resume from.

    Args:
        run: of `describe_run`.
        targets: `StyleTable` or `AnyStyle`, which holds the codes.
        progress: of the whole run, 0 to 1.
    """
    checkpoint.training["steps_done"] = step
    targets.finish(checkpoint)
    # Half precision is enough to paint with; the state below keeps all of it.
    save_checkpoint(checkpoint_path(config), checkpoint, torch.float16)
    path = state_path(config)
    if progress >= 1:
        path.unlink(missing_ok=True)
        return
    state = {
        "run": run,
        "step": step,
        "progress": progress,
        "net": checkpoint.net.state_dict(),
        "codes": targets.codes.detach(),
        "kernels": [kernels.detach() for kernels in targets.kernels],
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
            for own, kernels in zip(targets.kernels, state["kernels"], strict=True):
                own.copy_(kernels)
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])
        return state["step"], state["progress"]
    except Exception as error:  # torch.load raises many kinds for a file that is not its own
        raise InputError(_does_not_fit(state_path(config))) from error


def _does_not_fit(path: Path) -> str:
    return f"{path} does not fit this run: give the same options, or delete it and start anew"
