"""A command that a signal ends in the midst of its work.

`python tests/interrupted.py` reads jobs, a line of JSON each, runs each in a process of its own and
prints how that ended: for the signal that no process survives. What is slow to import it imports
once.
"""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from unittest import mock


@contextmanager
def signal_at(place: str, count: int, number: int) -> Iterator[None]:
    """Send this process a signal when a function is called for the `count`th time.

    Args:
        place: "module:function" or "module:Class.method".
    """
    module, _, path = place.partition(":")
    owner = import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    original, calls = getattr(owner, name), 0

    def called(*given, **named):
        nonlocal calls
        calls += 1
        if calls == count:
            os.kill(os.getpid(), number)
        return original(*given, **named)

    # Python ignores Ctrl-C where it is started in the background.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with mock.patch.object(owner, name, called):
            yield
    finally:
        signal.signal(signal.SIGINT, before)


def main() -> None:
    import nst.api  # noqa: F401
    import nst.optimize.videos  # noqa: F401
    import nst.train.loop  # noqa: F401
    from nst.__main__ import main as nst_main

    for line in sys.stdin:
        job = json.loads(line)
        if child := os.fork():
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        os.chdir(job["folder"])
        with signal_at(job["place"], job["count"], job["signal"]):
            os._exit(nst_main(job["command"]))


if __name__ == "__main__":
    main()
