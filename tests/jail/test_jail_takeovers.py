"""Workers that a model has taken over, against their parent: over the socket, in shared memory, by taking too much.

The deeds stand in ``takeovers``; ``takeover_runner`` does them in real workers, in the settings of ``surroundings``.
"""

import os
import shutil

import escape_table
import pytest
from attempt import Attempt
from attempts import ATTEMPTS
from surroundings import SETTINGS
from takeovers import TAKEOVERS, Takeover

AS_ROOT = os.geteuid() == 0 and shutil.which("setpriv") is not None
needs_root = pytest.mark.skipif(not AS_ROOT, reason="root alone enters this setting")
RUN_IN = [s if s == "user" else pytest.param(s, marks=needs_root) for s in SETTINGS if s != "container_user"]
HERE = "root" if AS_ROOT else "user"
SURVIVED = {"sandbox.memory"}
"""After anything else than that and the model's own words, nobody uses this worker again."""
named = pytest.mark.parametrize("takeover", TAKEOVERS, ids=lambda takeover: takeover.name)


def denied(takeover: Takeover, setting: str) -> str:
    if isinstance(takeover.denied, str):
        return takeover.denied
    return takeover.denied.get(setting, takeover.denied["container"])


@named
@pytest.mark.parametrize("setting", RUN_IN)
def test_the_parent_gets_an_error_that_says_what_was_done(takeover: Takeover, setting: str):
    found = escape_table.takeovers(setting, "inside")[takeover.name]
    assert found["ended"] == denied(takeover, setting)
    assert takeover.says in found["says"]
    assert found["clean"]  # no control characters, and no endless words
    survives = found["ended"] in SURVIVED or not found["ended"].startswith("sandbox.")
    assert found["dead"] != survives
    assert found["walls"] > 0


@named
def test_what_is_no_attack_works_the_same_way(takeover: Takeover):
    found = escape_table.takeovers(HERE, "control")[takeover.name]
    assert found["ended"] == takeover.works
    assert (found["walls"] > 0) == takeover.walled


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.name)
@pytest.mark.parametrize("setting", [HERE, pytest.param("container", marks=needs_root)])
def test_a_worker_with_a_model_is_denied_what_any_confined_process_is(attempt: Attempt, setting: str):
    """``test_jail_escape`` makes the attempts in processes that only went through the steps; here they are real workers."""
    assert escape_table.takeovers(setting, "attempts")[attempt.name]["ended"] == attempt.denied


def test_names_of_takeovers_are_given_once():
    assert len({takeover.name for takeover in TAKEOVERS}) == len(TAKEOVERS)
