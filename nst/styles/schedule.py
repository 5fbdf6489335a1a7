"""Values that change over a clip: what `--style-at` and its like say, read once.

0 wave, 4 scream          at seconds; between two times the one value changes into the other
120f wave, 240f scream    at frames
0% wave, 100% scream      at parts of the clip
0 wave, 4 cut scream      held until second 4, then changed at once

Before the first time its value holds, after the last one that one's. Time 0 is the first frame
that is painted.
"""

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Generic, TypeVar

from nst.errors import InputError
from nst.media.frames import StreamInfo
from nst.styles.spec import StyleSpec, parse_style

Value = TypeVar("Value")
UNITS = {"s": "seconds", "f": "frames", "%": "percent"}
TIME = r"(\d+\.?\d*|\.\d+)(s|f|%)?"
ENTRY = re.compile(rf"{TIME}\s+(cut\s+)?(\S.*)", re.DOTALL)
NEXT = re.compile(rf",\s*(?={TIME}(?:\s|$))")


@dataclass(frozen=True)
class Schedule(Generic[Value]):
    """Values at times.

    Args:
        unit: of the times, "s", "f" or "%".
        times: rising, at least one.
        values: one for each time.
        cuts: whether a value is there at once, in place of growing out of the one before.
        option: where it was said, for errors.
    """

    unit: str
    times: tuple[float, ...]
    values: tuple[Value, ...]
    cuts: tuple[bool, ...]
    option: str = field(default="--style-at", compare=False)

    def weights(self, time: float) -> tuple[float, ...]:
        """Return the weight of each value at a time; they sum to 1.

        A change begins and ends slowly: 3 p^2 - 2 p^3, where p goes evenly from 0 to 1.
        """
        weights = [0.0] * len(self.times)
        before, progress = self._place(time)
        eased = progress * progress * (3 - 2 * progress)
        weights[before] = 1 - eased
        if eased:
            weights[before + 1] = eased
        return tuple(weights)

    def _place(self, time: float) -> tuple[int, float]:
        """Return which value a time comes after, and how far it is to the next one, 0 to 1."""
        before = max(0, bisect_right(self.times, time) - 1)
        after = before + 1
        if after == len(self.times) or self.cuts[after] or time <= self.times[0]:
            return before, 0.0
        return before, (time - self.times[before]) / (self.times[after] - self.times[before])

    def at(self: "Schedule[float]", time: float) -> float:
        """Return the number at a time.

        The curve is a cubic between neighbors (Fritsch and Carlson, "Monotone Piecewise Cubic
        Interpolation", 1980): smooth, level at both ends and at turning points, never beyond its
        values.
        """
        before, p = self._place(time)
        if not p:
            return self.values[before]
        length = self.times[before + 1] - self.times[before]
        y0, y1 = self.values[before : before + 2]
        m0, m1 = (length * self._slope(index) for index in (before, before + 1))
        rise = y1 - y0
        return y0 + p * (m0 + p * (3 * rise - 2 * m0 - m1 + p * (m0 + m1 - 2 * rise)))

    def _slope(self: "Schedule[float]", index: int) -> float:
        """Return the curve's slope at one of the times: a mean of those to its neighbors."""
        last = len(self.times) - 1
        if index in (0, last) or self.cuts[index] or self.cuts[index + 1]:
            return 0.0
        left, right = (self.times[i + 1] - self.times[i] for i in (index - 1, index))
        rises = [self.values[i + 1] - self.values[i] for i in (index - 1, index)]
        if rises[0] * rises[1] <= 0:
            return 0.0
        w0, w1 = 2 * right + left, right + 2 * left
        return (w0 + w1) / (w0 * left / rises[0] + w1 * right / rises[1])

    def check(self, clock: "Clock") -> None:
        """Refuse times that the clip does not have.

        Raises:
            InputError: one is after the end, or the clip's length is needed and unknown.
        """
        length = clock.length(self.unit)
        if length is None:
            if self.unit == "%":
                raise InputError(f"{self.option}: a camera has no end: give seconds, not percent")
        elif self.times[-1] > length:
            time = self.written(-1)
            raise InputError(
                f"{self.option}: {time} is after the end, the clip has {length:.6g} "
                f"{UNITS[self.unit]}"
            )

    def written(self, index: int) -> str:
        """Return one of the times as the user writes it."""
        return f"{self.times[index]:g}{self.unit.removeprefix('s')}"

    def __str__(self) -> str:
        """Write the schedule as `parse_schedule` reads it.

        >>> str(parse_styles("0 wave, 50% cut  scream:0.5"))
        '0% wave, 50% cut scream:0.5'
        """
        return ", ".join(
            f"{self.written(i)} {'cut ' if self.cuts[i] else ''}{value}"
            for i, value in enumerate(self.values)
        )


@dataclass(frozen=True)
class Clock:
    """What a frame's number and time are in the units of a schedule.

    Args:
        time_base: of the frames' `pts`, in seconds.
        rate: frames a second, on average.
        frames: how many there are; None is unknown.
    """

    time_base: Fraction
    rate: Fraction
    frames: int | None

    @classmethod
    def of(cls, info: StreamInfo) -> "Clock":
        """Return the clock of a video."""
        return cls(info.time_base, info.rate, info.frames)

    @classmethod
    def of_camera(cls) -> "Clock":
        """Return the clock of what has no end."""
        return cls(Fraction(1), Fraction(1), None)

    def time(self, unit: str, number: int, pts: int) -> float:
        """Return the time of a frame: its number counts from 0, its `pts` in the time base."""
        if unit == "f":
            return number
        if unit == "%":
            return min(100.0, 100 * number / max(1, (self.frames or 1) - 1))
        return float(pts * self.time_base)

    def length(self, unit: str) -> float | None:
        """Return the clip's length; None where that is unknown."""
        if self.frames is None:
            return None
        return {"f": self.frames, "%": 100, "s": float(self.frames / self.rate)}[unit]


def is_scheduled(text: str) -> bool:
    """Tell whether a text gives values at times, and not one value.

    >>> is_scheduled("0 wave, 4 original"), is_scheduled("wave*0.5"), is_scheduled("2.jpg")
    (True, False, False)
    """
    return ENTRY.fullmatch(text.strip()) is not None


def parse_schedule(text: str, option: str, read: Callable[[str], Value]) -> Schedule[Value]:
    """Read values at times.

    Args:
        option: where they were given, for errors.
        read: turns the text of one value into it.

    Raises:
        InputError: they cannot be read, or the times do not rise or have several units.
    """
    times: list[float] = []
    values, cuts, units = [], [], []
    # The pattern's own groups are between the parts that it splits.
    for entry in NEXT.split(text)[:: 1 + NEXT.groups]:
        match = ENTRY.fullmatch(entry.strip())
        if match is None:
            raise InputError(
                f"{option}: {entry.strip()!r} is no time with a value: write seconds, frames or "
                "percent, like '0 wave, 4 scream', '0f wave, 120f scream' or '50% cut scream'"
            )
        number, unit, cut, value = match.groups()
        time, written = float(number), number + (unit or "")
        if times and time <= times[-1]:
            raise InputError(f"{option}: {written} is not after {times[-1]:g}: let the times rise")
        # 0 is the same in all of them.
        units += [unit or "s"] if time else []
        if len(set(units)) > 1:
            words = " and ".join(UNITS[each] for each in dict.fromkeys(units))
            raise InputError(f"{option} has {words}: give all times in one of them")
        try:
            values.append(read(value.strip()))
        except InputError as error:
            raise InputError(f"{option} at {written}: {error}") from None
        times.append(time)
        cuts.append(cut is not None)
    unit = units[0] if units else "s"
    return Schedule(unit, tuple(times), tuple(values), tuple(cuts), option)


def parse_styles(text: str, option: str = "--style-at") -> Schedule[StyleSpec]:
    """Read styles at times."""
    return parse_schedule(text, option, parse_style)


def parse_numbers(text: str, option: str, low: float, high: float) -> Schedule[float]:
    """Read numbers at times.

    Raises:
        InputError: one is none, or out of range; see `parse_schedule` too.
    """

    def read(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            raise InputError(f"{value!r} is no number") from None
        if not low <= number <= high:
            raise InputError(f"{value} must be from {low:g} to {high:g}")
        return number

    return parse_schedule(text, option, read)
