"""How far long work has come and what it warns of, told to the caller instead of printed."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from nst.core.forecast import Forecast

Item = TypeVar("Item")

# Where the clock is what is counted, it has no rate.
CLOCK_BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} s [{remaining} left{postfix}]"


@dataclass(frozen=True)
class Progress:
    """How far a stage of the work has come.

    Args:
        stage: what is being done, such as "stylizing".
        done, total: in `unit`s; a total of None is unknown, as a camera's.
        note: what else is known, such as the loss.
        fraction: of the whole work that is done, 0 to 1, where units differ in what they cost.
    """

    stage: str
    done: int
    total: int | None
    unit: str
    note: str = ""
    fraction: float | None = None


OnProgress = Callable[[Progress], None]


def tracked(
    items: Iterable[Item],
    stage: str,
    total: int | None,
    unit: str,
    on_progress: OnProgress | None,
) -> Iterator[Item]:
    """Yield the items and report each as done when the next one is asked for."""
    report = on_progress or (lambda _: None)
    report(Progress(stage, 0, total, unit))
    for done, item in enumerate(items, 1):
        yield item
        report(Progress(stage, done, total, unit))


@contextmanager
def bars(quiet: bool = False) -> Iterator[OnProgress | None]:
    """Give an `on_progress` that draws a bar for each stage, in a terminal or a notebook.

    Above the bar one line says how long the stage will take, once its first steps are measured.
    """
    if quiet:
        yield None
        return
    from tqdm.auto import tqdm  # late: it imports a notebook's widgets where there are some

    bar, shown, forecast = None, None, Forecast("")

    def draw(progress: Progress) -> None:
        nonlocal bar, shown, forecast
        stage = (progress.stage, progress.total, progress.unit)
        if bar is None or stage != shown:
            if bar is not None:
                bar.close()
            bar = tqdm(
                desc=progress.stage,
                total=progress.total,
                unit=progress.unit,
                initial=progress.done,
                smoothing=0.1,
                bar_format=CLOCK_BAR if progress.unit == "s" else None,
            )
            shown, forecast = stage, Forecast(progress.stage)
        if progress.note:
            bar.set_postfix_str(progress.note, refresh=False)
        bar.update(progress.done - bar.n)
        if progress.done and progress.total and progress.unit != "s":  # the clock is known
            forecast.add(progress.fraction or progress.done / progress.total)

    try:
        yield draw
    finally:
        if bar is not None:
            bar.close()


_collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)


def warn(message: str) -> None:
    """Warn the user, by Python's warnings and in the report of the work that is running."""
    if (messages := _collected.get()) is not None and message not in messages:
        messages.append(message)
    warnings.warn(message, stacklevel=2)


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Give the list that `warn` adds to, until the context ends.

    Threads of `core.threads` belong to the work that started them; two videos that are painted at
    the same time do not mix.
    """
    messages: list[str] = []
    token = _collected.set(messages)
    try:
        yield messages
    finally:
        _collected.reset(token)
