"""Several processes on one machine that paint a video's shots, each taking the next free one."""

import multiprocessing
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import torch

from nst.core.device import choose_device
from nst.core.progress import collected_warnings, warn
from nst.errors import InputError, ran_out_of_memory
from nst.options.stylize import VideoConfig
from nst.stylize.parts import Parts
from nst.stylize.session import Session, opened_session, paint_shot
from nst.stylize.shots import Shot

# Workers that may be lost, beyond one for each that was wanted, before the run gives up.
LOSSES = 2


@dataclass
class _Worker:
    """A process, and what it has reported: frames of finished shots, and of the one in hand."""

    process: BaseProcess
    connection: Connection
    finished: int = 0
    in_hand: int = 0
    out_of_memory: bool = False


def worker_count(config: VideoConfig) -> int:
    """Return how many processes are to paint: as many as wanted, or one for each GPU."""
    if config.workers:
        return config.workers
    device = choose_device(config.device)
    several = device.type == "cuda" and device.index is None
    return torch.cuda.device_count() if several else 1


def paint_with_workers(
    session: Session, shots: list[Shot], count: int, tell: Callable[[int], None]
) -> int:
    """Paint shots that are not finished; what a lost worker had in hand goes to another.

    Args:
        count: how many workers; they take equal parts of the processor, and the GPUs in turn.
        tell: takes how many frames of these shots are done.

    Returns:
        How many frames were painted.

    Raises:
        InputError: a worker's; or workers keep being lost.
    """
    parts = session.parts
    workers: list[_Worker] = []
    losses, finished, started = 0, 0, 0
    try:
        missing = count
        while missing or workers:
            for _ in range(missing):
                workers.append(_started(session, shots, started, count))
                started += 1
            missing = 0
            for connection in wait([worker.connection for worker in workers]):
                worker = next(w for w in workers if w.connection is connection)
                if _heard(worker):
                    tell(finished + sum(w.finished + w.in_hand for w in workers))
                    continue
                worker.process.join()
                workers.remove(worker)
                finished += worker.finished
                lost = worker.out_of_memory or worker.process.exitcode != 0
                losses += lost
                if losses > count + LOSSES:
                    raise InputError(_lost(worker, parts))
                left = any(not parts.has(shot.first, shot.stop) for shot in shots)
                missing += left and (lost or not workers)
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join()
    return finished


def _started(session: Session, shots: list[Shot], number: int, count: int) -> _Worker:
    config = session.config
    device = choose_device(config.device)
    if device.type == "cuda" and device.index is None:
        config = replace(config, device=f"cuda:{number % torch.cuda.device_count()}")
    threads = max(1, torch.get_num_threads() // count)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=_work, args=(config, session.parts.record, shots, threads, theirs), daemon=True
    )
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _heard(worker: _Worker) -> bool:
    """Take what a worker tells; return False when it has ended."""
    try:
        kind, value = worker.connection.recv()
    except (EOFError, OSError):
        return False
    if kind == "error":
        raise InputError(value)
    if kind == "warning":
        warn(value)
    elif kind == "out of memory":
        worker.out_of_memory = True
    elif kind == "frames":
        worker.in_hand = value
    else:
        worker.finished, worker.in_hand = worker.finished + value, 0
    return True


def _lost(worker: _Worker, parts: Parts) -> str:
    how, code = "in an error", worker.process.exitcode
    if worker.out_of_memory:
        how = "for lack of memory"
    elif code and code < 0:
        how = f"by signal {-code}, perhaps for lack of memory"
    return (
        f"workers keep ending, the last one {how}: take fewer --workers; "
        f"finished parts stay in {parts.folder}: {parts.cure}"
    )


def _work(
    config: VideoConfig, record: dict, shots: list[Shot], threads: int, connection: Connection
) -> None:
    """Paint shots that nobody else is painting, until none is left: what a worker does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    torch.set_num_threads(threads)
    sent: set[str] = set()

    def send(kind: str, value: object) -> None:
        connection.send((kind, value))

    try:
        with collected_warnings() as warned, opened_session(config, record, "none") as session:
            for shot in shots:
                if session.parts.has(shot.first, shot.stop):
                    continue
                with session.parts.claimed(shot.first) as free:
                    if not free or session.parts.has(shot.first, shot.stop):
                        continue
                    for count in paint_shot(session, shot):
                        send("frames", count)
                send("finished", shot.stop - shot.first)
                for message in set(warned) - sent:
                    send("warning", message)
                sent |= set(warned)
    except InputError as error:
        send("error", str(error))
    except BrokenPipeError:  # the parent is gone
        return
    except Exception as error:
        if not ran_out_of_memory(error):
            raise
        send("out of memory", None)
