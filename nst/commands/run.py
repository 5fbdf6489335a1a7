"""Run a command: options in, an exit status out, errors in one line."""

import errno
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields

from nst.commands.parser import parse
from nst.core.threads import INTERRUPTS
from nst.errors import IncompleteError, InputError, ran_out_of_memory
from nst.options.field import Checked, flag_of


def run(
    main: Callable,
    config_class: type[Checked],
    description: str | None,
    argv: Sequence[str] | None = None,
    prog: str | None = None,
) -> int:
    """Call `main` with the options of the command line and return the script's exit status.

    What `main` returns, if anything, is printed. `prog` is the name in the usage line; None takes
    the script's.

    What the user can put right becomes one line on stderr and status 2, or 1 where a part was done.
    Any other exception passes through: it is a bug, and its traceback is needed.
    """
    with warnings.catch_warnings(), _ended_by_signals() as received:
        warnings.showwarning = _show_warning
        try:
            config, recipe = parse(config_class, description, argv, prog)
            if recipe and is_first_process() and not config.quiet:
                print(f"taking the recipe {recipe}; --config names another", file=sys.stderr)
            answer = main(config)
            if answer:
                print(_printable(answer))
        except KeyboardInterrupt:
            status, line = 128 + (received[0] if received else signal.SIGINT), "interrupted"
        except BrokenPipeError:
            # Whoever read our output has left; without this Python complains once more at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        except Exception as error:
            if (message := _explain(error, config_class)) is None:
                raise
            status = 1 if isinstance(error, IncompleteError) else 2
            line = f"error: {message}"
        else:
            return 0
    print(line, file=sys.stderr)
    return status


def is_first_process() -> bool:
    """Tell whether this is the only process, or the first of those that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def _ended_by_signals() -> Iterator[list[int]]:
    """Let SIGTERM and SIGHUP end the work as Ctrl-C does, so that what can be kept is kept.

    A signal that is ignored, as under nohup, stays so. Gives the list of those that came.
    """
    received: list[int] = []

    def interrupt(number: int, frame: object) -> None:
        received.append(number)
        raise KeyboardInterrupt

    taken = []
    if threading.current_thread() is threading.main_thread():
        taken = [number for number in INTERRUPTS if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, interrupt)
    try:
        yield received
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _explain(error: Exception, config_class: type) -> str | None:
    """Return the line that tells the user what to put right, None when the error is a bug."""
    text = " ".join(str(error).split())
    if isinstance(error, InputError):
        # One raised in a loader's process arrives with that process's traceback before it.
        return text.rpartition("InputError: ")[2]
    if ran_out_of_memory(error):
        known = {spec.name for spec in fields(config_class)}
        cure = next((flag_of(n) for n in ("long_side", "batch") if n in known), None)
        return "not enough memory" + (f"; try a smaller {cure}" if cure else "")
    # safetensors passes the system's text on; torch.save only notices that its file is too short.
    full = ("No space left on device", "unexpected pos")
    if getattr(error, "errno", None) == errno.ENOSPC or any(f in text for f in full):
        name = getattr(error, "filename", None)
        return "no space left on the disk" + (f" for {name}" if name else "")
    return None


def _printable(text: str) -> str:
    """Return a text as stdout can say it: names of files may have what its encoding has not."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    tqdm = sys.modules.get("tqdm")  # when a bar is on the screen the line belongs above it
    write = tqdm.tqdm.write if tqdm else print
    write(f"warning: {' '.join(str(message).split())}", file=sys.stderr)
