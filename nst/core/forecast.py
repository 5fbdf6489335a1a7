"""How long a run will take on this machine, measured on its first steps and said once."""

import sys
import time

SETTLED, MEASURED = 2, 5  # first steps that are slower than the rest, and those that are timed
SHORT_SECONDS = 20.0  # what ends sooner needs no announcement


def tell(line: str, quiet: bool = False) -> None:
    """Write a line to stderr, above a progress bar if there is one."""
    if not quiet:
        from tqdm import tqdm

        tqdm.write(line, file=sys.stderr)


def in_words(seconds: float) -> str:
    """Return a duration in words, rounded as an estimate deserves.

    >>> in_words(42), in_words(200), in_words(5400)
    ('40 s', '3 min', '1.5 h')
    """
    if seconds < 90:
        return f"{max(10, round(seconds, -1)):.0f} s"
    if seconds < 90 * 60 - 30:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


class Forecast:
    """Says once how long a stage will take, from the time that its first steps take.

    Args:
        stage: what is done in it, such as "stylizing".
    """

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._steps, self._begun, self._before = 0, 0.0, 0.0

    def add(self, fraction: float) -> None:
        """Take note of a step.

        Args:
            fraction: of the stage that is done now, 0 to 1.
        """
        self._steps += 1
        if self._steps == SETTLED:
            self._begun, self._before = time.monotonic(), fraction
        elif self._steps == SETTLED + MEASURED and fraction > self._before:
            rate = (time.monotonic() - self._begun) / (fraction - self._before)
            seconds = rate * (1 - fraction)
            if seconds >= SHORT_SECONDS:
                tell(f"{self._stage} will take about {in_words(seconds)} here")
