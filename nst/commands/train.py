"""Train a net, with a place for it where the user named none."""

import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from nst.commands.run import is_first_process
from nst.core.forecast import tell
from nst.errors import InputError
from nst.options.train import CHECKPOINT, LOG, STATE, TrainConfig


def train(config: TrainConfig) -> str | None:
    """Train as `config` says; return the line that says what was written, None where quiet.

    Without `output` the checkpoint is named after the folder of styles, in the current folder.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    from nst.core.progress import bars
    from nst.train import loop  # late: --help must not wait for torch

    with _place(config) as output:
        config = replace(config, output=output)
        time = f"{config.minutes:g} min" if config.minutes else f"{config.steps} steps"
        first = is_first_process()
        line = f"training the styles of {config.style_dir} for {time}, to {output}"
        tell(line, config.quiet or not first)
        with bars(config.quiet or not first) as on_progress:
            loop.train(config, on_progress)
        log = config.log_dir or output.with_suffix(LOG)
        done = f"wrote {output}; its log is in {log} (tensorboard --logdir {log})"
        return done if first and not config.quiet else None


def _place(config: TrainConfig):
    """Return the checkpoint's path, as a context."""
    from nst.commands.outputs import last_unfinished, new_place, numbered

    if config.output is not None:
        return nullcontext(config.output)
    style_dir = Path(os.path.abspath(config.style_dir))
    stem = style_dir.stem if style_dir.is_file() else style_dir.name
    if config.resume:
        found = last_unfinished(stem, CHECKPOINT, STATE)
        if found is None:
            raise InputError(f"--resume found no {stem}{STATE} here: give --output, or no --resume")
        return nullcontext(found)
    if not is_first_process():  # only the first one writes
        return nullcontext(numbered(stem, CHECKPOINT, 1))
    return new_place(stem, CHECKPOINT, (LOG, STATE))
