"""Workers that a model has taken over, against their parent: over the socket, in shared memory, by taking too much.

The deeds stand in ``takeovers``; ``takeover_runner`` does them in real workers, in the settings of ``surroundings``.
"""

import escape_table
import pytest
from attempt import Attempt
from attempts import ATTEMPTS
from takeovers import TAKEOVERS, Takeover

from mlsign.sandbox.layers import FULL, REQUIRED

needs_root = pytest.mark.skipif(not escape_table.AS_ROOT, reason="root alone enters this setting")
RUN_IN = [s if s == "user" else pytest.param(s, marks=needs_root) for s in escape_table.TAKEOVER_SETTINGS["inside"]]
(HERE,) = escape_table.TAKEOVER_SETTINGS["control"]
SURVIVED = {"sandbox.memory"}
"""After anything else than that and the model's own words, nobody uses this worker again."""
named = pytest.mark.parametrize("takeover", TAKEOVERS, ids=lambda takeover: takeover.name)


def denied(takeover: Takeover, walls: list[str] | None) -> str:
    """What is different in some setting is so for want of namespaces."""
    if isinstance(takeover.denied, str):
        return takeover.denied
    return takeover.denied["root" if "user_namespace" in (walls or ()) else "container"]


@named
@pytest.mark.parametrize("setting", RUN_IN)
def test_the_parent_gets_an_error_that_says_what_was_done(takeover: Takeover, setting: str):
    found = escape_table.takeovers("inside")[setting][takeover.name]
    assert found["ended"] == denied(takeover, found["walls"])
    assert takeover.says in found["says"]
    assert found["clean"]  # no control characters, and no endless words
    assert found["dead"] != (found["ended"] in SURVIVED or not found["ended"].startswith("sandbox."))
    assert found["walls"] != []  # None where it did not come so far as to tell


@named
def test_what_is_no_attack_works_the_same_way(takeover: Takeover):
    found = escape_table.takeovers("control")[HERE][takeover.name]
    assert found["ended"] == takeover.works
    assert (found["walls"] != []) == takeover.walled


@needs_root
def test_settings_without_namespaces_have_none_and_the_others_all():
    walls = {
        setting: set(escape_table.takeovers("inside")[setting]["sleep"]["walls"]) for setting in ("root", "container", "nested")
    }
    assert walls["root"] >= set(FULL)
    for setting in ("container", "nested"):
        assert walls[setting] == {*REQUIRED, "user", "capabilities", "landlock"}


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.name)
@pytest.mark.parametrize("setting", [HERE, pytest.param("container", marks=needs_root)])
@pytest.mark.parametrize("held", ["attempts", "reference"])
def test_a_worker_with_a_model_is_denied_what_any_confined_process_is(attempt: Attempt, setting: str, held: str):
    """``test_jail_escape`` makes the attempts in processes that only went through the steps; here they are real workers."""
    assert escape_table.takeovers(held)[setting][attempt.name]["ended"] == attempt.denied


def test_names_of_takeovers_are_given_once():
    assert len({takeover.name for takeover in TAKEOVERS}) == len(TAKEOVERS)
