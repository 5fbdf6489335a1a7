"""What stands in for Ray without a cluster: as much of it as `nst.stylize.ray_workers` uses.

Everything happens in this process, one report of one worker after the other.
"""

from collections.abc import Callable, Collection, Iterator
from types import SimpleNamespace
from typing import Any


class RayError(Exception):
    """The base of Ray's errors."""


class RayTaskError(RayError):
    """What a worker's error arrives as."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(repr(cause))
        self.cause = cause


class OutOfMemoryError(RayError):
    """A worker whose memory was too small."""


class _Reports:
    """A shot's reports; those of a worker that is lost end in an error."""

    def __init__(self, reports: Iterator, lost: bool) -> None:
        self._reports, self._lost = reports, lost

    def __next__(self) -> Callable[[], Any]:
        if self._lost:
            return self._fail
        try:
            report = next(self._reports)
        except StopIteration:
            raise
        except Exception as error:
            return lambda error=error: self._fail(RayTaskError(error))
        return lambda: report

    def _fail(self, error: Exception | None = None) -> None:
        raise error or RayError("the actor died")


def pretend_ray(nodes: int, lost: Collection[int] = ()) -> SimpleNamespace:
    """Return the module `ray`, connected to a cluster of nodes with one core each.

    Args:
        lost: which shots, counted from 0 as they are given out, take their worker with them.
    """
    given = []

    def begin(paint: Callable[..., Iterator], shot: Any) -> _Reports:
        given.append(shot)
        return _Reports(paint(shot), len(given) - 1 in lost)

    def actor(kind: type, *arguments: Any) -> SimpleNamespace:
        worker = kind(*arguments)
        paint = SimpleNamespace(remote=lambda shot: begin(worker.paint, shot))
        ready = SimpleNamespace(remote=lambda: lambda: None)
        return SimpleNamespace(
            paint=SimpleNamespace(options=lambda **_: paint), __ray_ready__=ready
        )

    def remote(kind: type) -> SimpleNamespace:
        options = SimpleNamespace(remote=lambda *arguments: actor(kind, *arguments))
        return SimpleNamespace(options=lambda **_: options)

    errors = (RayError, RayTaskError, OutOfMemoryError)
    return SimpleNamespace(
        exceptions=SimpleNamespace(**{error.__name__: error for error in errors}),
        is_initialized=lambda: True,
        nodes=lambda: [{"Alive": True, "Resources": {"CPU": 1.0}}] * nodes,
        remote=remote,
        kill=lambda actor: None,
        wait=lambda events, **_: (events[-1:], events[:-1]),
        get=lambda reference: reference(),
    )
