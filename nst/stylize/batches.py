"""Several frames in one pass of a net, on a GPU: as many as its memory takes."""

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

import torch

from nst.core.progress import warn

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_groups(
    jobs: Iterable[Job], most: int, alike: Callable[[Job, Job], bool]
) -> Iterator[list[Job]]:
    """Yield jobs in their order, as many together as are alike and at most so many."""
    group: list[Job] = []
    for job in jobs:
        if group and (len(group) >= most or not alike(group[0], job)):
            yield group
            group = []
        group.append(job)
        if len(group) >= most:
            yield group
            group = []
    if group:
        yield group


class ShrinkingBatches(Generic[Job, Result]):
    """Work on groups of jobs that is done in smaller groups once the GPU's memory was too small."""

    def __init__(self, work: Callable[[list[Job]], list[Result]]):
        self._work = work
        self._most: int | None = None

    def __call__(self, jobs: list[Job]) -> list[Result]:
        """Return the results of the jobs, one for each.

        Raises:
            torch.OutOfMemoryError: not even one at a time fits.
        """
        results: list[Result] = []
        while len(results) < len(jobs):
            group = jobs[len(results) :][: self._most]
            try:
                results += self._work(group)
            except torch.OutOfMemoryError:
                if len(group) == 1:
                    raise
                self._most = len(group) // 2
            else:
                continue
            # Here, not in the handler, where the error keeps the tensors of the failed try alive.
            torch.cuda.empty_cache()
            warn(
                f"the GPU's memory is too small for {len(group)} frames at a time: "
                f"{self._most} from here on"
            )
        return results
