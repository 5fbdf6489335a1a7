"""What a job tells in its log: how far it has come, and its last line."""

import re
from dataclasses import dataclass
from pathlib import Path

TAIL = 8192  # bytes of a log's end that are looked at
# A bar of tqdm's, such as "stylizing:  45%|####5     | 12/30 [00:01<00:02,  8.2frame/s]".
BAR = re.compile(
    r"(?P<stage>[\w ]+): +\d+%\|[^|]*\| *(?P<done>[\d.]+)/(?P<total>[\d.]+) "
    r"\[(?P<spent>[\d:]+)<(?P<left>[\d:?]+)(?:, *(?P<note>[^\]]*))?\]"
)


@dataclass(frozen=True)
class Standing:
    """How far a job has come.

    Args:
        stage: what is being done.
        fraction: of the stage, 0 to 1; None where it is not known.
        left: the stage's time left, as minutes:seconds; empty where it is not known.
        note: rate, and what else the bar says.
    """

    stage: str = ""
    fraction: float | None = None
    left: str = ""
    note: str = ""


def tail_of(log: Path) -> str:
    """Return the end of a log."""
    try:
        with open(log, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def standing_of(text: str) -> Standing:
    """Return what the last bar in a log's end says.

    >>> standing_of("stylizing:  45%|##| 9/20 [00:01<00:02,  8.2frame/s]")
    Standing(stage='stylizing', fraction=0.45, left='00:02', note='8.2frame/s')
    """
    bars = list(BAR.finditer(text))
    if not bars:
        return Standing()
    bar = bars[-1]
    total = float(bar["total"])
    left = "" if "?" in bar["left"] else bar["left"]
    return Standing(
        bar["stage"].strip(), float(bar["done"]) / total if total else None, left, bar["note"] or ""
    )


def last_line(text: str) -> str:
    """Return the line that a command ends with: its error, or what it wrote; bars are left out.

    >>> last_line("a: 100%|##| 2/2 [00:01<00:00]\\nwrote b.png\\n")
    'wrote b.png'
    """
    lines = [line.rpartition("\r")[2].strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not BAR.search(line)]
    return lines[-1] if lines else ""
