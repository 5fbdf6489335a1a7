"""The queue: command lines run one after the other, each in a process of its own.

Each job has a folder with `job.json` and the command's output, so that the page, and the program,
can be closed at any time: what was running goes on by --resume.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from nst.core.files import write_json
from nst.core.places import is_locked, lock, unlock
from nst.errors import InputError
from nst.studio.progress import last_line, standing_of, tail_of

WAITING, RUNNING, PAUSED, DONE = "waiting", "running", "paused", "done"
FAILED, CANCELED = "failed", "canceled"
UNFINISHED = (WAITING, RUNNING, PAUSED)
POLL_SECONDS = 0.2
END_SECONDS = 30.0  # that a command has to keep what it can, after an interrupt
NICER = 5  # jobs leave the processor to the page
CAN_STOP = hasattr(signal, "SIGSTOP")  # Windows cannot hold a process


@dataclass(frozen=True)
class Job:
    """A command in the queue.

    Args:
        title: what the page calls it.
        arguments: what follows `nst` on the command line.
        output: the result's path.
        resumes: an --resume is given when the file or folder `resumes` is there; None never.
        state: one of the words above.
        line: the command's last line: what it wrote, or its error.
        settings: of the page, to be restored.
        process: its process number while it runs.
        made: when it was queued, by the clock.
    """

    id: str
    title: str
    arguments: tuple[str, ...]
    output: str
    resumes: str | None = None
    state: str = WAITING
    line: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    process: int | None = None
    made: float = 0.0


class Queue:
    """Runs jobs, one at a time; those of an earlier run of the program are taken over.

    Args:
        folder: holds a folder for each job.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._children: dict[str, tuple[subprocess.Popen, int | None]] = {}
        self._jobs: dict[str, Job] = {}
        for job in sorted(filter(None, map(_read, folder.glob("*/job.json"))), key=_by_time):
            if job.process:
                self._end_orphan(job)
            state = WAITING if job.state == RUNNING else job.state
            self._set(replace(job, state=state, process=None))
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def add(self, title: str, arguments: list[str], output: Path, **more: Any) -> Job:
        """Queue a command; see `Job`."""
        job = Job(
            secrets.token_hex(4), title, tuple(arguments), str(output), made=time.time(), **more
        )
        with self._lock:
            (self.folder / job.id).mkdir()
            self._set(job)
        return job

    def jobs(self) -> list[dict[str, Any]]:
        """Return what the page shows of each job, the newest first."""
        with self._lock:
            found = sorted(self._jobs.values(), key=_by_time, reverse=True)
        rows = []
        for job in found:
            row = asdict(job)
            if job.state in (RUNNING, PAUSED):
                row["standing"] = asdict(standing_of(tail_of(self._log(job))))
            rows.append(row)
        return rows

    def get(self, name: str) -> Job:
        """Return a job.

        Raises:
            InputError: there is none of that name.
        """
        with self._lock:
            if name not in self._jobs:
                raise InputError(f"there is no job {name!r}")
            return self._jobs[name]

    def pause(self, name: str) -> None:
        """Hold a job where it is; the next one may begin."""
        with self._lock:
            job = self.get(name)
            if job.state in (WAITING, RUNNING):
                self._set(replace(job, state=PAUSED))
                if CAN_STOP:
                    self._signal(name, signal.SIGSTOP)
                else:
                    self._interrupt(name)

    def resume(self, name: str) -> None:
        """Let a paused job, or one that failed or was canceled, go on when its turn comes."""
        with self._lock:
            job = self.get(name)
            if job.state in (PAUSED, FAILED, CANCELED):
                self._set(replace(job, state=WAITING, line=""))

    def cancel(self, name: str) -> None:
        """End a job; what it has finished is kept for `resume`."""
        with self._lock:
            job = self.get(name)
            if job.state in UNFINISHED:
                self._set(replace(job, state=CANCELED))
                self._interrupt(name)

    def remove(self, name: str) -> None:
        """Take an ended job from the list; its result stays."""
        with self._lock:
            job = self.get(name)
            if job.state in UNFINISHED or job.process:
                raise InputError(f"{job.title} has not ended: cancel it first")
            del self._jobs[name]
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def close(self) -> None:
        """End the queue and the commands that run; they go on when it is opened again."""
        self._closed.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._closed.wait(POLL_SECONDS):
            for name, (child, _) in list(self._children.items()):
                if child.poll() is not None:
                    self._finish(name)
            with self._lock:
                waiting = [job for job in self._jobs.values() if job.state == WAITING]
                running = any(job.state == RUNNING for job in self._jobs.values())
                if waiting and not running:
                    self._start(min(waiting, key=_by_time))
        for name in self._children:
            self._interrupt(name)
        deadline = time.monotonic() + END_SECONDS
        for name, (child, _) in list(self._children.items()):
            with suppress(subprocess.TimeoutExpired):
                child.wait(max(0.1, deadline - time.monotonic()))
            if child.poll() is None:
                self._signal(name, signal.SIGKILL if CAN_STOP else signal.SIGTERM)
                child.wait()
            self._finish(name)

    def _start(self, job: Job) -> None:
        """Start a job's command, or let it go on; its log stays locked while the process lives."""
        if job.id in self._children:  # it is held, or on its way out
            if self._children[job.id][0].poll() is None and CAN_STOP:
                self._signal(job.id, signal.SIGCONT)
                self._set(replace(job, state=RUNNING))
            return
        more = ["--resume"] if job.resumes and Path(job.resumes).exists() else []
        log = self._log(job)
        with open(log, "wb") as file:
            held = lock(log)
            try:
                child = subprocess.Popen(
                    [sys.executable, "-m", "nst", *job.arguments, *more],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    env=os.environ | {"PYTHONUNBUFFERED": "1"},
                    start_new_session=True,  # Ctrl-C is this program's to answer
                    pass_fds=() if held is None else (held,),
                )
            except OSError as error:
                unlock(held)
                self._set(replace(job, state=FAILED, line=f"error: {error.strerror}"))
                return
        with suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, child.pid, NICER)
        self._children[job.id] = child, held
        self._set(replace(job, state=RUNNING, process=child.pid))

    def _finish(self, name: str) -> None:
        """Write down what became of a command that has ended."""
        child, held = self._children.pop(name)
        unlock(held)
        with self._lock:
            job = replace(self.get(name), process=None)
            line = last_line(tail_of(self._log(job)))
            if child.returncode == 0:
                job = replace(job, state=DONE, line=line)
            elif job.state == RUNNING:
                if self._closed.is_set():
                    job = replace(job, state=WAITING)
                else:
                    job = replace(job, state=FAILED, line=line or "the command ended early")
            self._set(job)

    def _interrupt(self, name: str) -> None:
        """Have a command end as by Ctrl-C, which keeps what can be kept.

        By SIGTERM, which does the same: where this program was begun in the background, what it
        starts ignores Ctrl-C.
        """
        if name in self._children:
            child, _ = self._children[name]
            if CAN_STOP:
                self._signal(name, signal.SIGCONT)
            if child.poll() is None:
                child.terminate()

    def _signal(self, name: str, number: int) -> None:
        """Send a signal to a command and to the processes that it started."""
        if name in self._children:
            child, _ = self._children[name]
            with suppress(OSError):
                os.killpg(child.pid, number) if CAN_STOP else child.terminate()

    def _end_orphan(self, job: Job) -> None:
        """End a command that outlived a program that was killed; its log tells that it lives."""
        log = self._log(job)
        deadline = time.monotonic() + END_SECONDS
        while job.process and log.exists() and is_locked(log) and time.monotonic() < deadline:
            with suppress(OSError):
                if CAN_STOP:
                    os.killpg(job.process, signal.SIGCONT)
                os.kill(job.process, signal.SIGTERM)
            time.sleep(1.0)

    def _log(self, job: Job) -> Path:
        return self.folder / job.id / "log.txt"

    def _set(self, job: Job) -> None:
        self._jobs[job.id] = job
        with suppress(InputError):  # a full disk: it is in memory still
            write_json(self.folder / job.id / "job.json", asdict(job))


def _read(path: Path) -> Job | None:
    """Return the job that was written down; None where it cannot be read."""
    try:
        found = json.loads(path.read_text("utf-8"))
        return Job(**(found | {"arguments": tuple(found["arguments"])}))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _by_time(job: Job) -> float:
    return job.made
