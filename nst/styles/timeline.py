"""What is painted with at each moment of a video whose styles, strength or stroke size change."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

from nst.styles.schedule import Clock, Schedule
from nst.styles.spec import StyleSpec

# A style of a picture or region: None is the checkpoint's first.
Style = StyleSpec | Schedule[StyleSpec] | None


def styles_of(style: Style) -> tuple[StyleSpec | None, ...]:
    """Return the styles that one goes through: itself, unless it changes."""
    return style.values if isinstance(style, Schedule) else (style,)


def distinct(styles: Sequence[Style]) -> tuple[StyleSpec | None, ...]:
    """Return the K different styles that some go through, in order."""
    return tuple(dict.fromkeys(key for style in styles for key in styles_of(style)))


@dataclass(frozen=True)
class Moment:
    """What a frame is painted with.

    Args:
        mix: for each of the R styles that it has, the weights of the K different ones.
        strength, scale: by which those of the whole run are multiplied.
    """

    mix: tuple[tuple[float, ...], ...]
    strength: float = 1.0
    scale: float = 1.0

    def change(self, before: "Moment") -> tuple[float, ...]:
        """Return how much each of the R styles differs from what it was, 0 to 1."""
        common = abs(self.strength - before.strength) + abs(log2(self.scale / before.scale))
        return tuple(
            min(1.0, common + sum(abs(a - b) for a, b in zip(now, then, strict=True)) / 2)
            for now, then in zip(self.mix, before.mix, strict=True)
        )


@dataclass(frozen=True)
class Timeline:
    """What the frames of a video are painted with.

    Args:
        styles: R of them: the whole picture's, or one for each region.
        strength, scale: None is always 1.
        clock: the video's.
    """

    styles: tuple[Style, ...]
    strength: Schedule[float] | None
    scale: Schedule[float] | None
    clock: Clock

    def at(self, number: int, pts: int) -> Moment:
        """Return what a frame is painted with, by its number from 0 on and its time.

        It depends on nothing else, so any part of a video can be painted by itself.
        """

        def time(schedule: Schedule) -> float:
            return self.clock.time(schedule.unit, number, pts)

        keys = distinct(self.styles)
        mix = []
        for style in self.styles:
            weights = style.weights(time(style)) if isinstance(style, Schedule) else (1.0,)
            row = [0.0] * len(keys)
            for key, weight in zip(styles_of(style), weights, strict=True):
                row[keys.index(key)] += weight
            mix.append(tuple(row))
        strength, scale = (
            1.0 if schedule is None else schedule.at(time(schedule))
            for schedule in (self.strength, self.scale)
        )
        return Moment(tuple(mix), strength, scale)

    def originals(self, moment: Moment) -> list[float]:
        """Return how far each of the R styles leaves the picture as it is, 0 to 1."""
        kept = [key is not None and key.is_original for key in distinct(self.styles)]
        return [sum(w for w, k in zip(row, kept, strict=True) if k) for row in moment.mix]
