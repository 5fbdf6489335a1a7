"""Work of several stages at the same time, each in a thread, joined by short queues."""

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from queue import Empty, Full, Queue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
# Windows has no SIGHUP.
INTERRUPTS = [signal.SIGINT, signal.SIGTERM, *filter(None, [getattr(signal, "SIGHUP", None)])]
_END = object()
_POLL_SECONDS = 0.1


@contextmanager
def in_background(items: Iterable[Item], depth: int = 2) -> Iterator[Iterator[Item]]:
    """Give an iterator over `items`, made by a thread that is at most `depth` of them ahead.

    What `items` raises is raised in the consumer. Leaving the context stops the thread and waits
    for it, so that what `items` reads from can be closed next.
    """
    queue: Queue = Queue(maxsize=depth)
    stop = threading.Event()
    failure: list[BaseException] = []

    def put(item: object) -> None:
        while not stop.is_set():
            try:
                return queue.put(item, timeout=_POLL_SECONDS)
            except Full:
                continue

    def produce() -> None:
        try:
            for item in items:
                put(item)
                if stop.is_set():
                    return
        except BaseException as error:  # handed over: it is raised in the consumer's thread
            failure.append(error)
        put(_END)

    def consume() -> Iterator[Item]:
        while True:
            try:
                item = queue.get(timeout=_POLL_SECONDS)  # woken now and then: Ctrl-C gets through
            except Empty:
                continue
            if item is _END:
                break
            yield item
        if failure:
            raise failure[0]

    # In the caller's context, so that warnings reach its report.
    thread = threading.Thread(target=copy_context().run, args=(produce,), daemon=True)
    thread.start()
    try:
        yield consume()
    finally:
        stop.set()
        thread.join()


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int, waiting: int = 1
) -> Iterator[Result]:
    """Yield work(item) for each item, in their order, while `workers` threads are at it.

    With one worker no thread is made, and no item is taken before its turn.

    Args:
        waiting: items taken ahead for a worker that becomes free.
    """
    if workers == 1:
        yield from map(work, items)
        return
    begun: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                begun.append(pool.submit(work, item))
                if len(begun) == workers + waiting:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()


class Interrupt(threading.Event):
    """Set when a signal has come that is to end the work; `number` is which."""

    number: int = signal.SIGINT


@contextmanager
def interrupts_held_back(deliver: bool = True) -> Iterator[Interrupt]:
    """Turn Ctrl-C and its like into an event while the block runs: nothing is left half done.

    Does nothing outside the main thread, nor with a signal that is ignored or ends the process.

    Args:
        deliver: raise the signal after the block. Otherwise that is left to who looks at the event,
            and a second signal interrupts at once.
    """
    asked = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.getsignal(number) for number in INTERRUPTS}
    handlers = {number: handler for number, handler in before.items() if callable(handler)}

    def restore() -> None:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    def ask(number: int, frame: object) -> None:
        asked.number = number
        asked.set()
        if not deliver:
            restore()

    for number in handlers:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        restore()
    if deliver and asked.is_set():
        signal.raise_signal(asked.number)
