"""The deadline of an exchange: what comes in time, what is raised in time, and what is given up."""

import logging
import threading

import pytest

from mlsign.services import OverdueError, overheard, within


def test_what_comes_in_time_is_given():
    assert within(5, lambda: 7) == 7


@pytest.mark.parametrize("kind", [ValueError, TimeoutError, KeyboardInterrupt])
def test_what_is_raised_in_time_is_raised(kind):
    def fail():
        raise kind("so")

    with pytest.raises(kind, match="so"):
        within(5, fail)


def test_what_takes_longer_is_given_up_and_holds_nobody():
    released, kept = threading.Event(), []

    def work():
        kept.append(threading.current_thread())
        released.wait()

    with pytest.raises(OverdueError):
        within(0.05, work)
    assert kept[0].daemon
    released.set()
    kept[0].join()


def test_when_the_time_is_over_nothing_is_begun():
    begun = []
    with pytest.raises(OverdueError):
        within(0, lambda: begun.append(1))
    assert not begun


def test_warnings_of_a_library_are_kept_from_the_terminal(capfd):
    with overheard("some.library") as heard:
        logging.getLogger("some.library.part").warning("%s \x1b[2J", "so")
        logging.getLogger("some.library").info("no warning")
    assert heard == ["so \x1b[2J"]
    assert capfd.readouterr() == ("", "")
