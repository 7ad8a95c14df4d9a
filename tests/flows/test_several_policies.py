"""Several policies for one package: exactly one is for it, and what chose it is held against what is verified."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from making import make_package, write_policy

import mlsign
from mlsign.actions.policies import select
from mlsign.errors import InputError
from mlsign.evidence.findings import Outcome
from mlsign.policy.model import Mode, Verdict


def _policy(folder: Path, keys, names: str, *, name: str = "", rest: str = "") -> Path:
    match = f"match: {{names: {names}}}\n" if names else ""
    return write_policy(folder, {"release": (1, [keys.release.public])}, name=name or "policy.yaml", rest=match + rest)


def _wrong(report: mlsign.Report) -> set[str]:
    return {f.code for f in report.decision.findings if f.outcome is not Outcome.PASS}


@pytest.fixture
def package(tmp_path: Path, keys) -> Path:
    return make_package(tmp_path / "package", signers=[keys.release])


@pytest.fixture
def name(package: Path) -> str:
    return mlsign.inspect(package).manifest.name


def test_the_one_that_is_for_it_judges(tmp_path: Path, keys, package: Path, name: str):
    other = _policy(tmp_path / "a", keys, "[churn]", rest="versions: {minimum: 9.0.0}\n")
    mine = _policy(tmp_path / "b", keys, f"[{name}]", rest="description: mine\n")
    for gate in (mlsign.Gate.load(other, mine), mlsign.Gate.load(mine, other)):
        report = gate.verify(package)
        assert (report.decision.verdict, report.policy.description) == (Verdict.ALLOW, "mine")
        with gate.admit(package) as model:
            assert model.report.policy.description == "mine"


def test_none_and_two_are_denied_by_verify_and_admit(tmp_path: Path, keys, package: Path, name: str):
    a, b = _policy(tmp_path / "a", keys, "[churn]"), _policy(tmp_path / "b", keys, "['x-*']")
    mine, every = _policy(tmp_path / "c", keys, f"[{name}]"), _policy(tmp_path / "d", keys, "")
    for gate in (
        mlsign.Gate.load(a, b),
        mlsign.Gate.load(mine, every),
        mlsign.Gate.load(every, mine),
        mlsign.Gate.load(mine, mine),
    ):
        assert _wrong(gate.verify(package)) == {"MLS423"}
        with pytest.raises(mlsign.Denied):
            gate.admit(package)


def test_audit_of_another_policy_lets_nothing_in(tmp_path: Path, keys, package: Path):
    watching = _policy(tmp_path / "a", keys, "[churn]", rest="mode: audit\n")
    for gate in (mlsign.Gate.load(watching), mlsign.Gate.load(watching, _policy(tmp_path / "b", keys, "[x]"))):
        with pytest.raises(mlsign.Denied):
            gate.admit(package)


def test_a_manifest_that_changes_after_the_choice_is_denied(tmp_path: Path, keys, package: Path, name: str, monkeypatch):
    lenient = _policy(tmp_path / "a", keys, "[churn]", rest="description: lenient\n")
    strict = _policy(tmp_path / "b", keys, f"[{name}]", rest="versions: {minimum: 9.0.0}\n")
    gate = mlsign.Gate.load(strict, lenient)
    # The manifest shows another name to whoever chooses than to whoever verifies.
    monkeypatch.setattr(select, "_name", lambda *_, **__: "churn")
    report = gate.verify(package)
    assert (report.policy.description, report.decision.verdict) == ("lenient", Verdict.DENY)
    assert len([f for f in report.decision.findings if f.code == "MLS423" and f.outcome is Outcome.FAIL]) == 2


def test_a_broken_or_missing_manifest_is_denied(tmp_path: Path, keys, package: Path, name: str):
    gate = mlsign.Gate.load(_policy(tmp_path / "a", keys, "[churn]"), _policy(tmp_path / "b", keys, f"[{name}]"))
    (package / "mlsign.json").write_bytes(b"{")
    assert "MLS423" in _wrong(gate.verify(package))
    (package / "mlsign.json").unlink()
    assert "MLS423" in _wrong(gate.verify(package))


def test_a_folder_stands_for_its_policies(tmp_path: Path, keys, package: Path, name: str):
    folder = tmp_path / "policies"
    _policy(folder, keys, "[churn]", name="a.yaml")
    _policy(folder, keys, f"[{name}]", name="b.yml")
    assert mlsign.Gate.load(folder).verify(package).decision.verdict is Verdict.ALLOW
    (folder / "c.yaml").write_text("nonsense: [")
    with pytest.raises(InputError):
        mlsign.Gate.load(folder)


def test_folders_with_none_or_too_many_policies_are_refused(tmp_path: Path, keys):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as caught:
        mlsign.Gate.load(tmp_path / "empty")
    assert caught.value.code == "policy.folder"
    for number in range(70):
        (tmp_path / "empty" / f"{number}.yaml").write_text("")
    with pytest.raises(InputError) as caught:
        mlsign.Gate.load(tmp_path / "empty")
    assert caught.value.code == "policy.count"


def test_a_policy_that_watches_is_not_chosen_by_a_name_that_nobody_vouches_for(tmp_path: Path, keys):
    """Whoever can write a folder can write any name into its manifest: one that is only watched must not let it past the others."""
    enforced = _policy(tmp_path / "a", keys, "[fraud]")
    watching = _policy(tmp_path / "b", keys, "['exp*']", rest="mode: audit\nversions: {minimum: 9.0.0}\n")
    every = _policy(tmp_path / "c", keys, "['exp*']", rest="mode: audit\n", name="c.yaml")
    also = _policy(tmp_path / "d", keys, "[fraud]", rest="mode: audit\n", name="d.yaml")
    unsigned = make_package(tmp_path / "unsigned", name="exp-1.0.0")
    for gate in (mlsign.Gate.load(enforced, watching), mlsign.Gate.load(watching, enforced)):
        report = gate.verify(unsigned)
        assert (report.policy.mode, report.decision.enforced_verdict) == (Mode.AUDIT, Verdict.DENY)
        assert [f.outcome for f in report.decision.findings if f.code == "MLS423"] == [Outcome.PASS, Outcome.UNKNOWN]
        with pytest.raises(mlsign.Denied):
            gate.admit(unsigned)
    # Where nothing else would have stopped it, and where the signers of the policy say the name, it is watched.
    for gate in (mlsign.Gate.load(watching), mlsign.Gate.load(every, also)):
        report = gate.verify(unsigned)
        assert (report.decision.verdict, report.decision.enforced_verdict) == (Verdict.DENY, Verdict.ALLOW)
    signed = make_package(tmp_path / "signed", name="exp-1.0.0", signers=[keys.release])
    report = mlsign.Gate.load(enforced, watching).verify(signed)
    assert (_wrong(report), report.decision.enforced_verdict) == ({"MLS402"}, Verdict.ALLOW)


def test_a_policy_that_watches_stops_watching_at_its_end(tmp_path: Path, keys, package: Path):
    ends = "mode: audit\nversions: {minimum: 9.0.0}\nexpires: 2030-01-01T00:00:00Z\n"
    gate = mlsign.Gate.load(_policy(tmp_path / "a", keys, "", rest=ends))
    before, end = datetime(2029, 12, 31, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    assert gate.verify(package, now=before).decision.enforced_verdict is Verdict.ALLOW
    gate.admit(package, now=before).close()
    assert gate.verify(package, now=end).decision.enforced_verdict is Verdict.DENY
    with pytest.raises(mlsign.Denied):
        gate.admit(package, now=end)
