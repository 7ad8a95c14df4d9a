"""The line in front of workers, with real threads; workers are names."""

import random
import threading
import time

import pytest

from mlsign.errors import JailError
from mlsign.sandbox.pool.queue import Queue, State, Turn

PATIENCE = 20.0
"""For what must happen; nothing here measures speed."""


def until(condition) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.001)


def queue_of(*workers: str, max_waiting: int = 64) -> Queue[str]:
    queue: Queue[str] = Queue(max_waiting=max_waiting)
    for worker in workers:
        assert queue.put(worker)
    return queue


def taken(queue: Queue[str]) -> Turn[str]:
    turn: Turn[str] = Turn()
    assert queue.take(turn)
    return turn


class Waiter(threading.Thread):
    """Waits in the line; ``outcome`` is the worker it got, None, or the code it was refused with. It keeps the worker."""

    def __init__(self, queue: Queue[str], *, timeout: float | None = PATIENCE) -> None:
        super().__init__(daemon=True)
        self.queue, self.timeout = queue, timeout
        self.turn: Turn[str] = Turn()
        self.outcome: str | None = "still waiting"

    def run(self) -> None:
        try:
            self.outcome = self.turn.worker if self.queue.await_worker(self.turn, timeout=self.timeout) else None
        except JailError as err:
            self.outcome = err.code


def waiting(queue: Queue[str], count: int = 1, *, timeout: float | None = PATIENCE) -> list[Waiter]:
    """So many threads in the line, in this order."""
    waiters = []
    for _ in range(count):
        before = queue.counts().waiting
        waiters.append(Waiter(queue, timeout=timeout))
        waiters[-1].start()
        until(lambda before=before: queue.counts().waiting == before + 1)
    return waiters


def test_who_came_first_is_served_first():
    queue = queue_of("a")
    turn = taken(queue)
    waiters = waiting(queue, 30)
    served = []
    for waiter in waiters:
        assert queue.finish(turn, keep=True) is None
        waiter.join(PATIENCE)
        served.append(waiter.outcome)
        assert [w.outcome for w in waiters].count("a") == len(served)
        turn = waiter.turn
    assert served == ["a"] * 30


def test_nobody_passes_those_who_wait():
    queue = queue_of("a")
    turn = taken(queue)
    (waiter,) = waiting(queue)
    assert not queue.take(Turn())
    queue.finish(turn, keep=True)
    assert not queue.take(Turn())  # it was handed on, not left lying about
    waiter.join(PATIENCE)
    assert waiter.outcome == "a"


def test_a_turn_that_met_a_dead_worker_goes_back_to_the_front():
    queue = queue_of("a")
    turn = taken(queue)
    first, second = waiting(queue, 2)
    assert queue.finish(turn, keep=True) is None
    first.join(PATIENCE)
    assert queue.finish(first.turn, keep=False) == "a"
    again = threading.Thread(target=lambda: queue.await_worker(first.turn, timeout=PATIENCE, front=True))
    again.start()
    until(lambda: queue.counts().waiting == 2)
    assert queue.put("b")
    again.join(PATIENCE)
    assert first.turn.worker == "b"
    assert second.outcome == "still waiting"
    queue.finish(first.turn, keep=True)
    second.join(PATIENCE)
    assert second.outcome == "b"


def test_going_back_to_the_front_is_possible_in_a_full_line():
    queue = queue_of("a", max_waiting=1)
    turn = taken(queue)
    waiting(queue)
    queue.finish(turn, keep=False)
    turn.waited = True
    with pytest.raises(JailError):
        queue.join(turn)
    queue.join(turn, front=True)
    assert turn.state is State.WAITING


def test_a_deadline_ends_the_wait_and_leaves_no_trace():
    queue = queue_of("a")
    turn = taken(queue)
    (waiter,) = waiting(queue, timeout=0.05)
    waiter.join(PATIENCE)
    assert waiter.outcome is None
    assert queue.counts().waiting == 0
    queue.finish(turn, keep=True)
    assert taken(queue).worker == "a"


def test_a_line_that_is_full_refuses_at_once():
    queue = queue_of("a", max_waiting=3)
    taken(queue)
    waiting(queue, 3)
    for _ in range(2):
        with pytest.raises(JailError) as caught:
            queue.await_worker(Turn(), timeout=None)
        assert caught.value.code == "sandbox.pool.full"
        assert (caught.value.expected, caught.value.found) == ("3", "3")
    assert queue.counts().waiting == 3


def test_a_pool_may_let_nobody_wait():
    queue = queue_of("a", max_waiting=0)
    turn = taken(queue)
    with pytest.raises(JailError) as caught:
        queue.await_worker(Turn(), timeout=None)
    assert caught.value.code == "sandbox.pool.full"
    queue.finish(turn, keep=True)
    assert queue.await_worker(Turn(), timeout=None)


def test_a_turn_that_is_over_leaves_the_line_and_hands_on_what_it_was_given():
    queue = queue_of("a")
    turn = taken(queue)
    first: Turn[str] = Turn()
    first.wake = lambda: True
    queue.join(first)
    (second,) = waiting(queue)
    queue.finish(turn, keep=True)
    assert (first.state, first.worker) == (State.GRANTED, "a")
    queue.finish(first, keep=True)  # cancelled at the very moment
    second.join(PATIENCE)
    assert second.outcome == "a"
    third: Turn[str] = Turn()
    queue.join(third)
    assert queue.counts().waiting == 1
    assert queue.finish(third, keep=True) is None
    assert queue.counts().waiting == 0
    assert queue.finish(third, keep=True) is None  # again: nothing to give back


def test_a_worker_goes_past_those_who_can_not_be_told():
    queue = queue_of("a")
    turn = taken(queue)
    gone: Turn[str] = Turn()
    gone.wake = lambda: False
    queue.join(gone)
    (waiter,) = waiting(queue)
    queue.finish(turn, keep=True)
    waiter.join(PATIENCE)
    assert waiter.outcome == "a"
    assert (gone.state, gone.worker) == (State.DONE, None)
    assert queue.finish(gone, keep=True) is None
    assert queue.counts().out == 1


def test_a_worker_that_is_not_kept_comes_back_to_the_caller_alone():
    queue = queue_of("a")
    (turn, other) = (taken(queue), Turn())
    assert queue.finish(turn, keep=False) == "a"
    assert not queue.take(other)
    assert queue.counts().idle == 0


def test_an_idle_worker_can_be_withdrawn_and_one_at_work_does_not_come_back():
    queue = queue_of("a", "b")
    turn = taken(queue)
    idle, busy = ("a", "b") if turn.worker == "b" else ("b", "a")
    assert queue.withdraw(idle)
    assert not queue.withdraw(idle)
    assert not queue.withdraw(busy)
    assert queue.finish(turn, keep=True) == busy
    assert queue.counts().idle == 0
    assert queue.put(busy)  # its name is free for another life


def test_without_any_worker_all_are_told_why_until_there_is_one():
    queue = queue_of()
    waiters = waiting(queue, 3)
    assert queue.refuse("no memory")
    for waiter in waiters:
        waiter.join(PATIENCE)
        assert waiter.outcome == "sandbox.pool.unavailable"
    with pytest.raises(JailError, match="no memory") as caught:
        queue.await_worker(Turn(), timeout=None)
    assert caught.value.code == "sandbox.pool.unavailable"
    assert queue.put("a")
    turn = taken(queue)
    (waiter,) = waiting(queue)
    assert not queue.refuse("no memory")  # one is at work, and will be back
    queue.finish(turn, keep=True)
    waiter.join(PATIENCE)
    assert waiter.outcome == "a"


def test_a_closed_queue_tells_all_and_takes_nothing():
    queue = queue_of("a", "b")
    turns = [taken(queue), taken(queue)]
    waiters = waiting(queue, 3)
    queue.close("over")
    for waiter in waiters:
        waiter.join(PATIENCE)
        assert waiter.outcome == "sandbox.pool.closed"
    for call in (lambda: queue.take(Turn()), lambda: queue.join(Turn())):
        with pytest.raises(JailError, match="over") as caught:
            call()
        assert caught.value.code == "sandbox.pool.closed"
    assert not queue.put("c")
    assert not queue.refuse("no memory")
    assert {queue.finish(turn, keep=True) for turn in turns} == {"a", "b"}
    assert queue.empty() == []


def test_closing_waits_for_calls_but_not_for_all_and_not_for_ever():
    queue = queue_of("a", "b", "c")
    turns = [taken(queue) for _ in range(3)]
    queue.close("over")
    assert len(queue.await_home(timeout=0.01, but=lambda _: False)) == 3
    own = turns[2]
    threading.Timer(0.05, lambda: [queue.finish(turn, keep=True) for turn in turns[:2]]).start()
    assert queue.await_home(timeout=PATIENCE, but=lambda turn: turn is own) == [own.worker]
    queue.finish(own, keep=True)
    assert queue.await_home(timeout=PATIENCE, but=lambda _: False) == []


def test_a_worker_that_nobody_comes_for_goes_to_the_next():
    queue = queue_of("a")
    turn = taken(queue)
    stuck: Turn[str] = Turn(loop="a loop", pickup_seconds=5.0)
    stuck.wake = lambda: True
    queue.join(stuck)
    _, again = queue.take_back(now=time.monotonic())
    assert again is not None  # there is one that will have to be looked after
    (waiter,) = waiting(queue)
    queue.finish(turn, keep=True)
    lost, due = queue.take_back(now=time.monotonic())
    assert lost == []
    assert due is not None
    assert waiter.outcome == "still waiting"
    assert queue.take_back(now=time.monotonic() + 6.0)[0] == []
    waiter.join(PATIENCE)
    assert waiter.outcome == "a"
    assert not queue.run(stuck, expires=0.0)
    assert queue.finish(stuck, keep=True) is None  # not his any more
    assert queue.counts().out == 1


def test_a_call_whose_owner_does_not_come_back_loses_its_worker_once():
    queue = queue_of("a")
    turn: Turn[str] = Turn(loop="a loop", pickup_seconds=5.0)
    assert queue.take(turn)
    now = time.monotonic()
    assert queue.run(turn, expires=now + 60.0)
    assert queue.take_back(now=now + 6.0)[0] == []
    assert queue.take_back(now=now + 61.0) == (["a"], None)
    assert queue.take_back(now=now + 62.0) == ([], None)
    assert queue.finish(turn, keep=True) is None
    assert queue.counts().idle == 0


def test_counts_add_up():
    queue = queue_of("a", "b")
    for failed in (True, False, False):
        queue.finish(taken(queue), keep=True, ran=True, failed=failed)
    queue.finish(taken(queue), keep=True)
    taken(queue)
    counts = queue.counts()
    assert (counts.idle, counts.out, counts.waiting, counts.calls, counts.failures) == (1, 1, 0, 3, 1)


def test_no_worker_is_ever_with_two_calls_and_none_is_lost():
    """Threads that come, wait, lose patience, give workers back dead or alive, and a crew that brings new ones."""
    queue = queue_of(*(f"w{i}" for i in range(3)), max_waiting=6)
    holding: dict[str, int] = {}
    wrong: list[str] = []
    dead: list[str] = []
    outcomes = {"served": 0, "late": 0, "full": 0}
    lock = threading.Lock()

    def caller(seed: int) -> None:
        dice = random.Random(seed)  # noqa: S311  chance, not a secret
        for _ in range(400):
            turn: Turn[str] = Turn()
            try:
                if not queue.take(turn) and not queue.await_worker(turn, timeout=dice.choice([0.0, 0.0005, 0.002, None])):
                    with lock:
                        outcomes["late"] += 1
                    continue
            except JailError as err:
                assert err.code == "sandbox.pool.full"
                with lock:
                    outcomes["full"] += 1
                continue
            worker = turn.worker
            with lock:
                outcomes["served"] += 1
                if holding.setdefault(worker, seed) != seed:
                    wrong.append(worker)
            if dice.random() < 0.3:
                time.sleep(dice.random() * 0.001)
            with lock:
                del holding[worker]
            if (lost := queue.finish(turn, keep=dice.random() > 0.05, ran=True)) is not None:
                with lock:
                    dead.append(lost)

    done = threading.Event()

    def crew() -> None:
        while not done.is_set() or dead:
            with lock:
                found = [dead.pop() for _ in range(len(dead))]
            for worker in found:
                assert queue.put(worker)
            time.sleep(0.0002)

    threads = [threading.Thread(target=caller, args=(seed,)) for seed in range(10)]
    keeper = threading.Thread(target=crew)
    for thread in (*threads, keeper):
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    done.set()
    keeper.join(PATIENCE)
    assert wrong == []
    assert sum(outcomes.values()) == 4000
    assert min(outcomes.values()) > 0
    assert sorted(queue.empty()) == ["w0", "w1", "w2"]
    counts = queue.counts()
    assert (counts.out, counts.waiting, counts.calls) == (0, 0, outcomes["served"])
