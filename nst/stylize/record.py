"""What is noted of a video that is painted part by part, so that no other is mixed into it."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nst.errors import InputError
from nst.models.checkpoint import DEFAULT, checkpoint_file
from nst.options.stylize import VideoConfig
from nst.options.unfinished import options_of, refuse_other_options
from nst.stylize.key_times import parse_keyframe
from nst.stylize.paint import Styles

# What may differ between a run and the one that goes on with it.
FREE = ("resume", "quiet", "plan", "part", "join", "workers", "ray")
# The mark of a record: only a folder that holds one is read, written or removed.
MADE_BY = "nst: the parts of an unfinished video"
FINGERPRINTED = 1_000_000  # bytes of a file by which it is recognized, with its size


def new_record(config: VideoConfig, styles: Styles, settled: Mapping[str, str]) -> dict[str, Any]:
    """Return the record of a run: its options, its files, and what `auto` came to."""
    return {
        "made_by": MADE_BY,
        "options": options_of(config, FREE),
        "files": _fingerprints(config, styles),
        "settled": dict(settled),
        "frames": None,
        "shots": None,
    }


def hash_of(record: Mapping[str, Any]) -> str:
    """Return what tells runs of different options, files or machines' choices apart."""
    return digest({name: record[name] for name in ("options", "files", "settled")})


def digest(value: Mapping[str, Any]) -> str:
    """Return what tells different values apart, of what JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def check_same_run(record: Mapping[str, Any], config: VideoConfig, styles: Styles, flag: str):
    """Refuse to go on with other options or files than those of a record.

    Raises:
        InputError: names what differs.
    """
    now = new_record(config, styles, record["settled"])
    refuse_other_options(record["options"], now["options"], flag)
    for name, fingerprint in now["files"].items():
        if record["files"].get(name) != fingerprint:
            raise InputError(f"{flag}: {name} is another file now; begin anew")


def read_record(path: Path) -> dict[str, Any]:
    """Return a run's record.

    Raises:
        InputError: it cannot be read, or is not of this program.
    """
    try:
        record = json.loads(path.read_text("utf-8"))
        if record["made_by"] != MADE_BY:
            raise ValueError("another program's")
        hash_of(record)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not of this program or cannot be read: rename it") from error
    return record


def _fingerprints(config: VideoConfig, styles: Styles) -> dict[str, str]:
    """Return what each file that a run reads is recognized by; a folder's, by its entries."""
    keyframes = [parse_keyframe(text)[2] for text in config.keyframe]
    given: list[str | Path | None] = [config.input_video, config.masks]
    given += [*styles.pictures, *keyframes]
    paths = {str(path): Path(path) for path in given if path}
    checkpoint = config.checkpoint or DEFAULT
    paths[checkpoint] = checkpoint_file(checkpoint)
    found = {}
    for name, path in paths.items():
        if path.is_file():
            found[name] = _of_file(path)
        elif path.is_dir():
            found[name] = _of_folder(path)
    return found


def _of_file(path: Path) -> str:
    with open(path, "rb") as file:
        begin = hashlib.sha256(file.read(FINGERPRINTED)).hexdigest()[:16]
    return f"{path.stat().st_size}-{begin}"


def _of_folder(path: Path) -> str:
    with os.scandir(path) as entries:
        return digest({e.name: e.stat().st_size for e in entries if e.is_file()})
