"""A Ray cluster that paints a video's shots: a queue of them, and workers that load the nets once.

The folder of the output, and every path that the options name, must be the same on all machines.
"""

import logging
import os
import platform
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import torch

from nst.core.progress import collected_warnings, warn
from nst.errors import InputError, ran_out_of_memory
from nst.options.stylize import VideoConfig
from nst.stylize.session import Session, opened_session, paint_shot
from nst.stylize.shots import Shot
from nst.stylize.workers import LOSSES

# Cores of a worker without a GPU, at most: it paints as many frames at a time, each on one.
MAX_CORES = 4
# Between two reports of a worker; and how long none of any is waited for without a word.
REPORT_SECONDS, PATIENCE_SECONDS = 1.0, 60.0
CONNECT_SECONDS = 10.0


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to a Ray cluster; None is none, and a connection that is there already is taken.

    Args:
        address: HOST:PORT, or auto: that of RAY_ADDRESS, or of a cluster on this machine.

    Raises:
        InputError: Ray is not installed, or there is no cluster.
    """
    if address is None or _ray().is_initialized():
        yield
        return
    ray, handler = _ray(), signal.getsignal(signal.SIGTERM)
    try:
        host, _, port = address.rpartition(":")
        if port.isdigit() and "/" not in host:  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"--ray {address}: no Ray cluster is there ({reason}); begin one by ray start --head"
        ) from None
    if handler and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)  # Ray has put its own there
    try:
        yield
    finally:
        ray.shutdown()


@dataclass
class _Worker:
    """An actor with the shot in its hand.

    Args:
        event: what to wait for: that the actor is there, or the reports of its shot.
        frames: of the shot that are done.
    """

    actor: Any
    event: Any
    shot: Shot | None = None
    frames: int = 0


def paint_on_ray(session: Session, shots: list[Shot], tell: Callable[[int], None]) -> int:
    """Paint shots that are not finished; what a lost worker had in hand goes to another.

    A worker takes a GPU where the cluster has some, else a few cores. There are --workers of them,
    or as many as there is room for.

    Args:
        tell: takes how many frames of these shots are done.

    Returns:
        How many frames were painted.

    Raises:
        InputError: a worker's; or workers keep being lost.
    """
    ray, parts = _ray(), session.parts
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    wanted, resources = worker_resources(nodes, session.config)
    config = replace(session.config, device=session.config.device.partition(":")[0])
    actor_class = ray.remote(Painter).options(**resources)

    def started() -> _Worker:
        actor = actor_class.remote(config, parts.record, os.getcwd(), resources["num_cpus"])
        return _Worker(actor, actor.__ray_ready__.remote())

    queue, losses, finished = deque(shots), 0, 0
    workers = [started() for _ in range(min(wanted, len(shots)))]
    try:
        while queue or any(worker.shot for worker in workers):
            events = [worker.event for worker in workers]
            ready, _ = ray.wait(events, timeout=PATIENCE_SECONDS, fetch_local=False)
            if not ready and not any(worker.shot for worker in workers):
                warn("the Ray cluster has no room for a worker now: waiting for it")
            for worker in [worker for worker in workers if worker.event in ready]:
                try:
                    ended = _heard_to_the_end(ray, worker)
                except ray.exceptions.RayError as error:
                    losses += 1
                    if losses > wanted + LOSSES:
                        reason = str(error).strip().partition("\n")[0]
                        raise InputError(
                            f"workers keep being lost, the last one so: {reason}; finished parts "
                            f"stay in {parts.folder}: {parts.cure}"
                        ) from None
                    if worker.shot:
                        queue.appendleft(worker.shot)
                    ray.kill(worker.actor)  # where only its task has failed
                    workers[workers.index(worker)] = started()
                    continue
                if ended:
                    finished, worker.frames = finished + worker.frames, 0
                    worker.shot = queue.popleft() if queue else None
                    if worker.shot:
                        paint = worker.actor.paint.options(num_returns="streaming")
                        worker.event = paint.remote(worker.shot)
                    else:
                        workers.remove(worker)
                        ray.kill(worker.actor)
                tell(finished + sum(worker.frames for worker in workers))
    finally:
        for worker in workers:
            ray.kill(worker.actor)
    return finished


class Painter:
    """What a Ray worker does: it opens the video and its nets once and paints the shots given.

    Args:
        folder: from which relative paths are meant.
        threads: for all that it does at a time.
    """

    def __init__(self, config: VideoConfig, record: dict, folder: str, threads: int) -> None:
        self._config, self._record, self._folder = config, record, folder
        torch.set_num_threads(threads)
        self._files = ExitStack()
        self._session: Session | None = None

    def paint(self, shot: Shot) -> Iterator[int | str]:
        """Paint a shot and keep it; yield how many frames are done now and then, and warnings."""
        with collected_warnings() as warned:
            if self._session is None:  # here, where an error has a way to the user
                self._session = self._opened()
            count, said = 0, time.monotonic()
            for count in paint_shot(self._session, shot):
                if time.monotonic() - said >= REPORT_SECONDS:
                    yield count
                    said = time.monotonic()
        yield from warned
        yield count

    def _opened(self) -> Session:
        try:
            os.chdir(self._folder)
        except OSError:
            raise InputError(
                f"the machine {platform.node()} has no folder {self._folder}: all must have it"
            ) from None
        return self._files.enter_context(opened_session(self._config, self._record, "none"))


def worker_resources(
    nodes: Sequence[Mapping[str, float]], config: VideoConfig
) -> tuple[int, dict[str, int]]:
    """Return how many workers there are to be, and what Ray is to give to each.

    Args:
        nodes: what each machine has, by Ray's names.

    >>> config = VideoConfig(input_video="a.mp4")
    >>> worker_resources([{"CPU": 8.0}, {"CPU": 4.0}], config)
    (3, {'num_cpus': 4, 'num_gpus': 0})
    >>> worker_resources([{"CPU": 2.0}, {"CPU": 1.0}], replace(config, workers=3))
    (3, {'num_cpus': 1, 'num_gpus': 0})
    >>> worker_resources([{"CPU": 16.0, "GPU": 2.0}, {"CPU": 8.0}], config)
    (2, {'num_cpus': 4, 'num_gpus': 1})
    """
    if config.device.partition(":")[0] in ("auto", "cuda"):
        gpus = [(int(node["GPU"]), int(node.get("CPU", 0))) for node in nodes if node.get("GPU")]
        if gpus:
            count = sum(number for number, _ in gpus)
            cores = min(MAX_CORES, *(cpus // number for number, cpus in gpus))
            count = min(count, config.workers or count)
            return count, {"num_cpus": max(1, cores), "num_gpus": 1}
    cpus = [int(node["CPU"]) for node in nodes if node.get("CPU")] or [1]
    cores = min(MAX_CORES, *cpus)
    while cores > 1 and sum(n // cores for n in cpus) < (config.workers or 1):
        cores -= 1
    count = config.workers or sum(n // cores for n in cpus)
    return count, {"num_cpus": cores, "num_gpus": 0}


def _heard_to_the_end(ray: ModuleType, worker: _Worker) -> bool:
    """Take a worker's next report; tell whether it has nothing in hand now.

    Raises:
        InputError: the worker's.
        RayError: the worker is lost, or its memory was too small.
    """
    try:
        if worker.shot is None:
            ray.get(worker.event)
            return True
        report = ray.get(next(worker.event))
    except StopIteration:
        return True
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, InputError):
            raise InputError(str(error.cause)) from None
        if ran_out_of_memory(error.cause):
            raise ray.exceptions.OutOfMemoryError("its memory was too small") from None
        raise RuntimeError(str(error)) from None  # a bug: the text has the worker's traceback
    if isinstance(report, str):
        warn(report)
    else:
        worker.frames = report
    return False


def _ray() -> ModuleType:
    try:
        import ray
    except ImportError:
        raise InputError('--ray needs Ray: pip install "ray>=2.50", or nst[ray]') from None
    return ray
