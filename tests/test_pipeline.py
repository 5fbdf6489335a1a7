"""Stages in threads: order, errors, and that nothing is left running."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from nst.core.threads import in_background, in_order


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


def wait_until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


def numbers(made: list[int]) -> Iterator[int]:
    """Count for ever and note what was asked for."""
    for number in count():
        made.append(number)
        yield number


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("length", [0, 1, 50])
def test_all_items_in_order(depth, length):
    with in_background(range(length), depth) as items:
        assert list(items) == list(range(length))
        assert next(items, "end") == "end"


def test_items_are_made_in_another_thread():
    with in_background(threading.get_ident() for _ in range(3)) as items:
        makers = set(items)
    assert len(makers) == 1 and threading.get_ident() not in makers


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), KeyboardInterrupt()])
def test_error_of_the_producer_arrives_after_what_it_made(error):
    def producer():
        yield from range(4)
        raise error

    seen = []
    with pytest.raises(type(error)) as caught:
        with in_background(producer()) as items:
            for item in items:
                seen.append(item)
    assert caught.value is error
    assert seen == [0, 1, 2, 3]


def test_error_passes_through_two_stages():
    def producer():
        yield 1
        raise ZeroDivisionError

    seen = []
    with pytest.raises(ZeroDivisionError):
        with (
            in_background(producer()) as first,
            in_background(10 * item for item in first) as second,
        ):
            for item in second:
                seen.append(item)
    assert seen == [10]


@pytest.mark.parametrize("depth", [1, 3])
def test_runs_ahead_by_the_queue_and_the_item_in_hand(depth):
    made: list[int] = []
    with in_background(numbers(made), depth) as items:
        for taken in range(1, 6):
            next(items)
            # It does get ahead, as a loop without a thread would not.
            assert wait_until(lambda n=taken: len(made) >= n + depth)
            time.sleep(0.02)
            assert len(made) <= taken + depth + 1


def test_leaving_early_stops_the_thread():
    made: list[int] = []
    with in_background(numbers(made)) as items:
        assert [next(items) for _ in range(3)] == [0, 1, 2]
    at_exit = len(made)
    time.sleep(0.05)
    assert len(made) == at_exit <= 6


def test_leaving_without_taking_anything_stops_the_thread():
    with in_background(numbers([])):
        pass


def test_what_the_producer_reads_from_can_be_closed_next():
    """The thread is not in the middle of an item when the context has been left."""
    inside = threading.Event()

    def producer():
        while True:
            inside.set()
            time.sleep(0.02)
            inside.clear()
            yield 0

    with in_background(producer()) as items:
        next(items)
        assert wait_until(inside.is_set)
    assert not inside.is_set()


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
@pytest.mark.parametrize("taken", [0, 1, 7])
def test_error_of_the_consumer_ends_all_stages(error, taken):
    made: list[int] = []
    with pytest.raises(error):
        with (
            in_background(numbers(made), 1) as first,
            in_background((item + 1 for item in first), 1) as second,
            in_background((item * 2 for item in second), 1) as third,
        ):
            for _ in range(taken):
                next(third)
            raise error
    assert len(made) < taken + 10


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_real_interrupt_gets_through_while_the_producer_is_slow():
    release = threading.Event()

    def producer():
        yield 0
        release.wait(20)

    begin = time.monotonic()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    try:
        with pytest.raises(KeyboardInterrupt):
            with in_background(producer()) as items:
                timer.start()
                try:
                    list(items)
                finally:
                    release.set()
    finally:
        signal.signal(signal.SIGINT, before)
        timer.join()
    assert time.monotonic() - begin < 5


class TestInOrder:
    def test_results_keep_the_order_of_items_that_take_their_time(self):
        def work(n: int) -> int:
            time.sleep(0.02 * (n % 3 == 0))
            return n * n

        assert list(in_order(work, range(20), 3)) == [n * n for n in range(20)]

    def test_so_many_are_at_work_together_and_no_more(self):
        together, most, lock = set(), [0], threading.Lock()
        meeting = threading.Barrier(2, timeout=5)  # breaks unless two are there at the same time

        def work(n: int) -> int:
            with lock:
                together.add(n)
                most[0] = max(most[0], len(together))
            meeting.wait()
            with lock:
                together.discard(n)
            return n

        assert list(in_order(work, range(6), 2)) == list(range(6))
        assert most[0] == 2

    def test_one_worker_takes_an_item_when_its_turn_comes(self):
        taken = []
        results = in_order(str, (taken.append(n) or n for n in range(3)), 1)
        assert taken == [] and next(results) == "0" and taken == [0]

    @pytest.mark.parametrize("waiting", [0, 1, 3])
    def test_no_more_items_are_taken_ahead_than_asked_for(self, waiting):
        taken = []
        items = (taken.append(n) or n for n in range(9))
        for done, _ in enumerate(in_order(str, items, 2, waiting), 1):
            assert len(taken) == min(9, done + 1 + waiting)

    @pytest.mark.parametrize("workers", [1, 2])
    def test_what_work_and_items_raise_reaches_the_consumer(self, workers):
        def items():
            yield 1
            raise OSError("read")

        with pytest.raises(ZeroDivisionError):
            list(in_order(lambda n: 1 / n, [2, 0, 2], workers))
        with pytest.raises(OSError, match="read"):
            list(in_order(str, items(), workers))

    def test_a_consumer_that_leaves_leaves_no_thread(self):
        before = threading.active_count()
        results = in_order(str, range(100), 2)
        next(results)
        results.close()
        assert threading.active_count() == before
