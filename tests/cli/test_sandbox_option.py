"""``--sandbox gvisor`` and ``Confinement.GVISOR``: the same answers behind another wall, and never without it."""

import json
import sys

import numpy as np
import pytest
from making import BIAS, INPUT, WEIGHTS

import mlsign
from mlsign.actions.scoring.survey import survey

pytestmark = [pytest.mark.linux, pytest.mark.skipif(sys.platform != "linux", reason="needs Linux with seccomp")]
EXPECTED = INPUT @ WEIGHTS + BIAS


@pytest.fixture(scope="module")
def gvisor() -> None:
    """gVisor works here."""
    if (failure := survey().without_gvisor) is not None:
        pytest.skip(f"no gVisor: {failure.message}")


@pytest.fixture
def score(run, good_package, policy_file, tmp_path):
    """Scores rows with the package, and whatever else is given."""
    (tmp_path / "rows.json").write_text(json.dumps({"x": INPUT.tolist()}))

    def go(*more, policy=policy_file, env=None):
        return run("score", good_package, "-p", policy, "-i", "rows.json", "-o", "y.npz", *more, env=env)

    return go


@pytest.mark.usefixtures("gvisor")
def test_scoring_in_gvisor_gives_the_answers_and_says_so(score, tmp_path):
    done = score("--sandbox", "gvisor", "--verbose")
    assert done.code == 0
    assert "confined by gvisor, user_namespace," in done.err
    assert "not in force here: empty_root, landlock" in done.err
    assert "  gvisor: its kernel is process " in done.err
    assert np.allclose(np.load(tmp_path / "y.npz")["y"], EXPECTED)


@pytest.mark.usefixtures("gvisor")
def test_a_policy_that_asks_for_full_isolation_can_be_met(score, policy_file, tmp_path):
    policy = policy_file.with_name("full.yaml")
    policy.write_text(policy_file.read_text() + "sandbox: {isolation: full}\n")
    assert score("--sandbox", "gvisor", policy=policy).code == 0


@pytest.mark.usefixtures("gvisor")
def test_scorers_and_pools_run_in_gvisor(gate, good_package):
    with gate.admit(good_package) as model:
        for made in (
            mlsign.Scorer(model, confinement=mlsign.Confinement.GVISOR),
            mlsign.WorkerPool(model, workers=1, confinement=mlsign.Confinement.GVISOR),
        ):
            with made:
                assert made.layers[0].name == "gvisor"
                assert made.layers[0].in_force
                assert np.allclose(made.run({"x": INPUT})["y"], EXPECTED)


def test_without_runsc_nothing_is_scored(score, tmp_path):
    done = score("--sandbox", "gvisor", env={"PATH": str(tmp_path)})
    assert done.code == 4
    assert "gVisor was asked for, and there is no runsc on PATH" in done.err
    assert "install runsc" in done.err
    assert not (tmp_path / "y.npz").exists()
    assert score("--sandbox", "process", env={"PATH": str(tmp_path)}).code == 0


def test_a_wall_that_may_be_left_out_is_none(score):
    done = score("--sandbox", "gvisor", "--allow-unsandboxed")
    assert done.code == 2
    assert "--sandbox gvisor does not go with --allow-unsandboxed" in done.err


def test_other_walls_are_not_known(score):
    assert score("--sandbox", "kvm").code == 2
