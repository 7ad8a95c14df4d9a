"""A model in sealed memory that is admitted again by a summary: nothing is hashed, and nothing else is taken on trust."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from making import make_key

from mlsign.actions.golden.replay import ReplayRequest, replay
from mlsign.actions.verification.admit import Denied
from mlsign.actions.verification.attest_verdict import attest_verdict
from mlsign.actions.verification.gate import Gate
from mlsign.actions.verification.verify import VerifyRequest
from mlsign.errors import InputError, TrustError
from mlsign.evidence.findings import Outcome
from mlsign.package.sealed import SealedMemory
from mlsign.policy.model import Verdict
from mlsign.sandbox.machine import platform_name

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
GATE = "keys/gate.pub"


@pytest.fixture(scope="module")
def gatekeeper():
    return make_key()


@pytest.fixture
def gate(tmp_path, keys, gatekeeper):
    """A gate under a policy whose vsa has more in it, and other fields; in one folder always, so keys may change."""

    def load(more=", stores: [sealed-memory]", rest="") -> Gate:
        folder = tmp_path / "policy"
        (folder / "keys").mkdir(parents=True, exist_ok=True)
        for name, pair in (("release", keys.release), ("gate", gatekeeper)):
            (folder / "keys" / f"{name}.pub").write_bytes(pair.public)
        (folder / "policy.yaml").write_text(
            "apiVersion: mlsign/v1\nkind: Policy\nname: gated\n"
            "signers: [{name: release, require: 1, any: [{key: keys/release.pub}]}]\n"
            "operators: {allow: [inference-v1]}\n"
            f"vsa: {{accept: [{{key: {GATE}}}], max_age: 24h{more}}}\n{rest}"
        )
        return Gate.load(folder / "policy.yaml")

    return load


def summary_by(gate: Gate, package: Path, gatekeeper, place: Path, now: datetime = NOON) -> Path:
    made = attest_verdict(package, VerifyRequest(policy=gate.policy, now=now), gatekeeper.signer, output=place)
    assert made.bundle is not None
    return place


def denied(gate: Gate, model, *summaries: Path, now: datetime = NOON + HOUR) -> dict[str, str]:
    before = model.report
    with pytest.raises(Denied) as caught:
        gate.readmit(model, accept_vsa=(GATE,), signatures=summaries, now=now)
    assert model.report is before
    assert caught.value.report.decision.verdict is Verdict.DENY
    return {f.code: f.message for f in caught.value.report.decision.findings if f.outcome is not Outcome.PASS}


def test_it_is_admitted_by_a_summary_without_reading_a_byte(package, gate, gatekeeper, tmp_path, monkeypatch):
    loaded = gate()
    summary = summary_by(loaded, package, gatekeeper, tmp_path / "summary.json")
    with loaded.admit(package, now=NOON) as model:
        shutil.rmtree(package)
        for name in ("read_at", "view"):
            monkeypatch.setattr(SealedMemory, name, property(lambda _: pytest.fail("the model was read")))
        report = loaded.readmit(model, accept_vsa=(GATE,), signatures=(summary,), now=NOON + HOUR)
        assert report.decision.verdict is Verdict.ALLOW
        assert model.report is report
        (said,) = (f.message for f in report.decision.findings if f.code == "MLS220")
        assert said == (
            "the verification summary stands in for the signatures; the bytes are sealed since 2026-01-31T12:00:00Z, when they were hashed"
        )
        # and again: since when stays when they were hashed
        later = loaded.readmit(model, accept_vsa=(GATE,), signatures=(summary,), now=NOON + 2 * HOUR)
        assert later.evidence.sealed_since == NOON


def test_where_the_policy_trusts_no_store_it_is_denied(package, gate, gatekeeper, tmp_path):
    loaded = gate(more="")
    summary = summary_by(loaded, package, gatekeeper, tmp_path / "summary.json")
    with loaded.admit(package, now=NOON) as model:
        found = denied(loaded, model, summary)
    assert "the bytes were not hashed for this decision, and the policy trusts no store" in found["MLS220"]


def test_without_a_summary_that_holds_it_is_denied(package, gate, gatekeeper, keys, tmp_path):
    loaded = gate()
    summary = summary_by(loaded, package, gatekeeper, tmp_path / "summary.json")
    with loaded.admit(package, now=NOON) as model:
        assert "MLS220" in denied(loaded, model)
        assert "MLS205" in denied(loaded, model, *(package / "signatures").iterdir())
        assert "it is" in denied(loaded, model, summary, now=NOON + 25 * HOUR)["MLS220"]
        foreign = summary_by(loaded, package, keys.outsider, tmp_path / "foreign.json")
        assert "MLS220" in denied(loaded, model, foreign)
        with pytest.raises(InputError) as caught:
            loaded.readmit(model, accept_vsa=(), signatures=(summary,))
        assert caught.value.code == "usage.accept_vsa"
        with pytest.raises(InputError):
            loaded.readmit(model, accept_vsa=(GATE,), signatures=(tmp_path / "nothing.json",), now=NOON)
        with pytest.raises(InputError) as caught:
            loaded.readmit(model, accept_vsa=(GATE,), signatures=(summary,), now=NOON.replace(tzinfo=None))
        assert caught.value.code == "usage.now"


def test_signed_golden_runs_are_asked_for_again(package, gate, gatekeeper, keys, tmp_path):
    """A summary stands in for who signed, and not for who ran it."""
    runs = f"golden: {{platforms: [{platform_name()}], run_by: [{{key: keys/release.pub}}]}}\n"
    loaded = gate(rest=runs)
    made = replay(package, ReplayRequest(now=NOON), signer=keys.release.signer)
    run = Path(shutil.copy(package / made.signed[0].bundle, tmp_path / "run.json"))
    summary = summary_by(loaded, package, gatekeeper, tmp_path / "summary.json")
    with loaded.admit(package, now=NOON) as model:
        assert denied(loaded, model, summary).keys() == {"MLS407"}
        report = loaded.readmit(model, accept_vsa=(GATE,), signatures=(summary, run), now=NOON + HOUR)
        assert report.decision.verdict is Verdict.ALLOW


def test_what_was_revoked_since_is_denied(package, gate, gatekeeper, tmp_path):
    first = gate()
    with first.admit(package, now=NOON) as model:
        second = gate(rest="revoked: [{name: fraud, reason: recalled}]\n")
        summary = summary_by(first, package, gatekeeper, tmp_path / "summary.json")
        found = denied(second, model, summary)
        assert "MLS401" in found
        assert "MLS490" in found  # files were not hashed by every algorithm, which a revocation asks for
        assert "it was made under another policy" in found["MLS220"]


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        ("model: {limits: {nodes: 5}}\n", "MLS490"),
        ("model: {run: {open_dimension: 3}}\n", "MLS490"),
        ("versions: {minimum: 9.0.0}\n", "MLS402"),
        ("expires: 2026-01-31T12:30:00Z\n", "MLS431"),
        ('operators: {allow: ["ai.onnx:Abs"]}\n', "MLS301"),
    ],
)
def test_another_policy_is_judged_whole(package, gate, gatekeeper, tmp_path, rest, code):
    with gate().admit(package, now=NOON) as model:
        path = tmp_path / "policy" / "policy.yaml"
        other = gate(rest="" if rest.startswith("operators") else rest)
        if rest.startswith("operators"):
            text = path.read_text().replace("operators: {allow: [inference-v1]}\n", rest)
            path.write_text(text)
            other = Gate.load(path)
        assert code in denied(other, model)


def test_a_model_that_was_given_back_or_can_change_is_not_admitted(package, gate, gatekeeper, tmp_path, monkeypatch):
    loaded = gate()
    summary = summary_by(loaded, package, gatekeeper, tmp_path / "summary.json")
    model = loaded.admit(package, now=NOON)
    model.close()
    with pytest.raises(TrustError) as caught:
        loaded.readmit(model, accept_vsa=(GATE,), signatures=(summary,), now=NOON)
    assert caught.value.code == "sealed.open"


def test_what_was_let_in_although_it_is_denied_stays_denied(package, gate, gatekeeper, tmp_path):
    watching = gate(rest="mode: audit\n")
    (package / "extra.txt").write_text("nobody signed this")
    with watching.admit(package, now=NOON) as model:
        assert model.report.decision.verdict is Verdict.DENY
        enforcing = gate()
        assert "MLS103" in denied(enforcing, model)


def test_each_is_logged(package, gate, gatekeeper, tmp_path):
    loaded = gate()
    summary = summary_by(loaded, package, gatekeeper, tmp_path / "summary.json")
    logged = Gate.load(tmp_path / "policy" / "policy.yaml", audit_log=tmp_path / "audit.log")
    with loaded.admit(package, now=NOON) as model:
        logged.readmit(model, accept_vsa=(GATE,), signatures=(summary,), now=NOON + HOUR)
        denied(logged, model)
    assert len((tmp_path / "audit.log").read_text().splitlines()) == 2


def test_of_several_policies_one_is_for_the_model(package, gate, gatekeeper, tmp_path):
    loaded = gate(rest="match: {names: [fraud]}\n")
    summary = summary_by(loaded, package, gatekeeper, tmp_path / "summary.json")
    other = tmp_path / "policy" / "other.yaml"
    other.write_text((tmp_path / "policy" / "policy.yaml").read_text().replace("[fraud]", "[churn]").replace("gated", "churn"))
    both = Gate.load(other, tmp_path / "policy" / "policy.yaml")
    with loaded.admit(package, now=NOON) as model:
        assert both.readmit(model, accept_vsa=(GATE,), signatures=(summary,), now=NOON).policy.name == "gated"
