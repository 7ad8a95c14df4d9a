"""Decisions and the audit log: none is told without its line, whoever decides, and whatever becomes of the writers."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from making import make_package, write_policy

import mlsign
from mlsign.actions.audit.append_audit import AuditLog, event_of, recorded
from mlsign.actions.audit.show_audit import show_audit
from mlsign.actions.audit.verify_audit import VerifyAuditRequest, verify_audit
from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.scoring.score import ScoreRequest, score
from mlsign.actions.verification.admit import Denied, admit
from mlsign.actions.verification.verify import VerifyRequest, verify
from mlsign.errors import InputError, OutsideError
from mlsign.evidence.findings import Finding, Outcome
from mlsign.formats.audit import MAX_LINE_BYTES, Decided, Failed, decode_head
from mlsign.formats.audit_codec import decode_line
from mlsign.ledger.append import LogSettings, append_event, describe_self
from mlsign.paths import PackagePath
from mlsign.policy.exemption import Excepted, Exemption
from mlsign.policy.lineage import Loosened
from mlsign.policy.model import Mode, Verdict
from mlsign.report.audit_logs import render_shown_text

WRITER = """
import sys
from pathlib import Path
from audit_lines import ALLOWED
from mlsign.ledger.append import LogSettings, append_event, describe_self
settings = LogSettings(path=Path(sys.argv[1]), max_bytes=int(sys.argv[3]))
for _ in range(int(sys.argv[2])):
    head = append_event(settings, ALLOWED, who=describe_self("writer"), version="0.1.0")
    print(head, flush=True)
"""
FAKES = Path(__file__).parents[1] / "fakes"


@pytest.fixture
def log(tmp_path):
    return tmp_path / "audit.log"


@pytest.fixture
def request_(policy_file, log):
    return VerifyRequest(policy=load_policy(policy_file), audit=AuditLog(path=log, caller="tests"))


def events(log):
    return [decode_line(data).line.event for data in log.read_bytes().splitlines()]


def intact(*files, **request):
    result = verify_audit(VerifyAuditRequest(files=files, **request)).result
    assert not result.problems
    return result


def test_an_allowance_is_logged_with_who_signed(good_package, request_, log):
    report = verify(good_package, request_)
    (event,) = events(log)
    assert (event.verdict, event.enforced, event.mode) == ("allow", "allow", "enforce")
    assert (event.package.path, event.package.name, event.package.version) == (str(good_package), "fraud", "1.2.0")
    assert event.package.digest == report.evidence.digest
    assert event.policy.digest == report.policy.digest
    assert [signer.group for signer in event.signers] == ["release", "review"]
    assert event.findings == event.exceptions == event.loosened == ()
    assert decode_line(log.read_bytes().rstrip()).line.who.caller == "tests"


def test_a_denial_is_logged_with_what_was_found(package, request_, log):
    (package / "model.onnx").write_bytes(b"x")
    for judge in (verify, admit):
        try:
            judge(package, request_)
        except Denied:
            assert judge is admit
    first, second = events(log)
    assert first.verdict == second.verdict == "deny"
    assert {finding.code for finding in first.findings} >= {"MLS101", "MLS205"}
    assert all(finding.outcome in ("fail", "unknown") for finding in first.findings)


def test_what_ends_a_run_is_logged(tmp_path, request_, log):
    for judge in (verify, admit):
        with pytest.raises(InputError):
            judge(tmp_path / "nothing\x1b[1m", request_)
    for event in events(log):
        assert isinstance(event, Failed)
        assert event.code == "package.missing"
        assert event.policy is not None
        assert "\x1b" not in log.read_text()


@pytest.mark.parametrize(("kind", "code"), [(KeyboardInterrupt, "interrupted"), (RuntimeError, "defect")])
def test_interruptions_and_defects_are_logged(good_package, log, kind, code):
    with pytest.raises(kind):
        with recorded(good_package, AuditLog(path=log)):
            raise kind("x" * 9000)
    (event,) = events(log)
    assert (event.code, event.policy) == (code, None)
    assert len(event.message) <= 512


def test_an_interruption_is_told_whatever_the_log_says(good_package, tmp_path):
    """And it is still no allowance; a defect that cannot be logged is told as the log that failed."""
    bad = AuditLog(path=tmp_path / "no" / "audit.log")
    for kind, told in ((KeyboardInterrupt, KeyboardInterrupt), (RuntimeError, OutsideError), (SystemExit, SystemExit)):
        with pytest.raises(told):
            with recorded(good_package, bad):
                raise kind


def test_an_allowance_that_comes_to_nothing_is_taken_back_by_a_line(good_package, request_, log, monkeypatch):
    """Admitting fails after the decision: whoever reads the log must not think that the model is in use."""

    def broken(_):
        raise OutsideError("no memory", code="memory.full")

    monkeypatch.setattr("mlsign.actions.verification.contents.Contents.take_sealed", broken)
    with pytest.raises(OutsideError):
        admit(good_package, request_)
    first, second = events(log)
    assert (first.verdict, second.code) == ("allow", "memory.full")


def test_nothing_is_allowed_without_its_line(good_package, policy_file, log, tmp_path):
    loaded = load_policy(policy_file)
    for bad in (tmp_path / "no" / "audit.log", Path("/dev/full"), tmp_path):
        request = VerifyRequest(policy=loaded, audit=AuditLog(path=bad))
        for judge in (verify, admit):
            with pytest.raises(OutsideError) as caught:
                judge(good_package, request)
            assert caught.value.code.startswith("audit.")
    gate = mlsign.Gate.load(policy_file, audit_log=tmp_path / "no" / "audit.log")
    with pytest.raises(OutsideError):
        gate.admit(good_package)


def test_a_denial_without_its_line_is_no_denial_either(package, policy_file, tmp_path):
    (package / "model.onnx").write_bytes(b"x")
    request = VerifyRequest(policy=load_policy(policy_file), audit=AuditLog(path=tmp_path))
    for judge in (verify, admit):
        with pytest.raises(OutsideError):
            judge(package, request)
    with pytest.raises(OutsideError):
        verify(tmp_path / "nothing", request)


def test_a_gate_logs_under_the_name_that_its_caller_gives(good_package, policy_file, log, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gate = mlsign.Gate.load(policy_file, audit_log="audit.log", caller="payments")
    monkeypatch.chdir("/")
    gate.verify(good_package)
    gate.admit(good_package).close()
    assert [event.verdict for event in events(log)] == ["allow", "allow"]
    assert {decode_line(data).line.who.caller for data in log.read_bytes().splitlines()} == {"payments"}
    assert not Path("/audit.log").exists()


def test_audit_mode_is_told_apart(package, keys, tmp_path, log):
    (package / "model.onnx").write_bytes(b"x")
    policy = write_policy(tmp_path, {"release": (1, [keys.release.public])}, rest="mode: audit\n")
    verify(package, VerifyRequest(policy=load_policy(policy), audit=AuditLog(path=log, loosened=("by hand",))))
    (event,) = events(log)
    assert (event.verdict, event.enforced, event.mode) == ("deny", "allow", "audit")
    assert event.loosened == ("by hand", "the policy is in audit mode: its denial stops nothing")


def test_a_hostile_package_does_not_decide_how_long_a_line_is(good_package, request_, log):
    report = verify(good_package, replace(request_, audit=None))
    for text in ("\x1b" * 9000, "\U0001f600" * 9000, '"\\' * 9000, "\u202e" * 300, "a" * 301, "\ue000" * 9000, "\n" * 9000):
        findings = tuple(
            Finding(code=f"MLS{100 + code}", outcome=Outcome.FAIL, message=text, where=text)
            for code in range(60)
            for _ in range(50)
        )
        met = tuple(replace(group, name=text, signatures=group.signatures * 90) for group in report.decision.met)
        hostile = replace(
            report,
            path=text,
            policy=replace(report.policy, name=text),
            decision=replace(report.decision, findings=findings, met=met, excepted=(_excepted(report, findings, text),) * 50),
        )
        event = event_of(hostile, loosened=(text,) * 50)
        append_event(LogSettings(path=log), event, who=describe_self(text), version="0.1.0")
        assert len({finding.code for finding in event.findings}) == len(event.findings) == 32
        assert (event.findings_omitted, event.signers_omitted) == (60 * 50 - 32, 180 - 32)
        assert event.loosened[-1] == "and 19 more"
        assert (len(event.exceptions), event.exceptions_omitted) == (32, 18)
    assert max(map(len, log.read_bytes().splitlines())) < MAX_LINE_BYTES
    assert intact(log).lines == 7


def _excepted(report, findings, reason="INC-4711"):
    exemption = Exemption(
        digest=report.evidence.digest,
        codes=frozenset({"MLS301", "MLS402"}),
        reason=reason,
        until=datetime(2999, 1, 1, tzinfo=UTC),
    )
    return Excepted(exemption=exemption, findings=findings)


def _conceding(report, count=1):
    """The report, allowed by an exception under a signed policy that loosens its parent, on the word of a summary."""
    loosened = tuple(
        Loosened(field=f"signers.{n}", reason="pilot", parent="base", child="team", tight="2", loose="1") for n in range(count)
    )
    record = report.evidence.signatures[0]
    lineage = replace(report.policy.lineage, loosened=loosened, signer=record.identity)
    finding = Finding(code="MLS402", outcome=Outcome.FAIL, message="too old")
    return replace(
        report,
        policy=replace(report.policy, lineage=lineage, revision=7, unsigned_files=tuple(map(PackagePath, ("a", "b")))),
        evidence=replace(report.evidence, unverified=("a", "b")),
        decision=replace(report.decision, summary=record, excepted=(_excepted(report, (finding, finding)),)),
    )


def test_what_was_conceded_is_logged(good_package, request_, log):
    report = _conceding(verify(good_package, replace(request_, audit=None)))
    event = event_of(report)
    identity = report.evidence.signatures[0].identity.unique
    (used,) = event.exceptions
    assert (used.digest, used.codes, used.reason) == (report.evidence.digest, ("MLS402",), "INC-4711")
    assert used.until == datetime(2999, 1, 1, tzinfo=UTC)
    assert (event.policy.signer, event.policy.revision) == (identity, 7)
    summary, *others = event.loosened
    assert summary.startswith(f"a verification summary by {identity} stood in for signatures: signatures/sha256-")
    assert tuple(others) == (
        "unsigned file allowed: a",
        "unsigned file allowed: b",
        "signers.0 is looser than in base: pilot",
    )
    append_event(LogSettings(path=log), event, who=describe_self("tests"), version="0.1.0")
    (logged,) = events(log)
    assert (logged.exceptions, logged.loosened, logged.policy) == (event.exceptions, event.loosened, event.policy)
    told = render_shown_text(show_audit(log, last=10))
    assert "(1 exception used)" in told
    assert "(loosened: a verification summary by" in told


def test_long_lists_hide_nothing_of_which_there_is_one(good_package, request_):
    """Whoever writes a policy that loosens much must not push what the caller let go off the line."""
    report = _conceding(verify(good_package, replace(request_, audit=None)), count=256)
    report = replace(report, decision=replace(report.decision, mode=Mode.AUDIT, verdict=Verdict.DENY))
    event = event_of(report, loosened=("--allow-unsandboxed",))
    assert event.loosened[0] == "--allow-unsandboxed"
    assert "audit mode" in event.loosened[1]
    assert event.loosened[2].startswith("a verification summary")
    assert event.loosened[-1] == f"and {1 + 1 + 1 + 2 + 256 - 31} more"
    nobody = replace(report, decision=replace(report.decision, summary=replace(report.decision.summary, identity=None)))
    assert event_of(nobody).loosened[1].startswith("a verification summary stood in for signatures: ")


def test_many_findings_of_one_code_hide_no_other(good_package, request_):
    report = verify(good_package, replace(request_, audit=None))
    many = [Finding(code="MLS101", outcome=Outcome.FAIL, message=f"{i}") for i in range(100)]
    rare = [
        Finding(code="MLS999", outcome=Outcome.UNKNOWN, message="rare"),
        Finding(code="MLS001", outcome=Outcome.PASS, message=""),
    ]
    event = event_of(replace(report, decision=replace(report.decision, findings=(*many, *rare))))
    assert "rare" in [finding.message for finding in event.findings]
    assert event.findings_omitted == 101 - 32


def test_the_answers_are_not_put_in_the_place_of_the_log(good_package, request_, tmp_path):
    log = tmp_path / "log.json"
    (tmp_path / "rows.json").write_text("{}")
    (tmp_path / "link.json").symlink_to(log)
    for output in (log, tmp_path / "link.json"):
        with pytest.raises(InputError) as caught:
            score(
                good_package,
                ScoreRequest(verify=replace(request_, audit=AuditLog(path=log)), input=tmp_path / "rows.json", output=output),
            )
        assert caught.value.code == "usage.output"


def _start(log, count, max_bytes=1 << 30):
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(FAKES), *sys.path])}
    command = [sys.executable, "-c", WRITER, str(log), str(count), str(max_bytes)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)


def test_the_log_does_not_lie_in_the_package(package, policy_file, tmp_path):
    (tmp_path / "link").symlink_to(package / "golden")
    before = sorted(package.rglob("*"))
    for place in (package / "audit.log", package / "golden" / "audit.log", tmp_path / "link" / "audit.log"):
        for judge in (verify, admit):
            with pytest.raises(InputError) as caught:
                judge(package, VerifyRequest(policy=load_policy(policy_file), audit=AuditLog(path=place)))
            assert caught.value.code == "usage.audit_log"
    assert sorted(package.rglob("*")) == before


def test_packages_that_are_none_at_all(request_, tmp_path, log, monkeypatch):
    """A loop of links, a name with a NUL, a working folder that is gone: each is an error of its own, and has its line."""
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for bad in (tmp_path / "loop", Path("here")):
        with pytest.raises(mlsign.MlsignError):
            verify(bad, request_)
    with pytest.raises((mlsign.MlsignError, ValueError)):
        verify(Path("a\0b"), request_)
    assert len(events(log)) == 3
    with pytest.raises(InputError) as caught:
        verify(tmp_path, replace(request_, audit=AuditLog(path=Path("/a\0b"))))
    assert caught.value.code == "usage.audit_log"
    with pytest.raises(OutsideError):
        verify(tmp_path, replace(request_, audit=AuditLog(path=Path("here"))))


def test_a_version_that_nobody_knows_is_none(good_package, request_, log, monkeypatch):
    from importlib.metadata import PackageNotFoundError

    def unknown(_):
        raise PackageNotFoundError

    monkeypatch.setattr("mlsign.actions.audit.append_audit.version", unknown)
    verify(good_package, request_)
    assert decode_line(log.read_bytes().rstrip()).line.mlsign == ""


@pytest.mark.slow
def test_eight_processes_write_one_log_over_rotations(log):
    writers = [_start(log, 200, 200_000) for _ in range(8)]
    heads = [line for writer in writers for line in writer.communicate()[0].splitlines()]
    assert all(writer.returncode == 0 for writer in writers)
    result = intact(log)
    assert result.lines == 1600
    assert not result.torn
    assert len(list(log.parent.glob("audit.log.0*"))) > 4
    assert sorted(int(head.partition(":")[0]) for head in heads) == list(range(1, 1601))


def test_writers_that_are_killed_lose_nothing_that_was_told(log):
    """What a writer printed is in the log, and whatever it left half done is closed by the next one."""
    told = []
    for turn in range(6):
        writers = [_start(log, 10_000, 100_000) for _ in range(3)]
        said = [writer.stdout.readline() for writer in writers]  # all of them have begun
        time.sleep(0.05 + 0.07 * turn)
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
        for writer, first in zip(writers, said, strict=True):
            with writer:
                told += [line for line in (first + writer.stdout.read()).splitlines() if len(line) > 70]
    last = _start(log, 1)
    told += last.communicate()[0].splitlines()
    whole = [head for line in told if len(line.partition("sha256:")[2]) == 64 for head in [decode_head(line)]]
    result = intact(log, heads=tuple(whole))
    assert len(whole) >= 18
    assert result.lines >= len(whole)


def test_a_full_disk_lets_nothing_in(good_package, policy_file, log):
    """A limit on the size of files is the full disk that a test can have."""
    code = (
        "import resource, sys, json\n"
        "from mlsign import Gate, OutsideError\n"
        "gate = Gate.load(sys.argv[1], audit_log=sys.argv[3])\n"
        "gate.verify(sys.argv[2])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))\n"
        "try:\n    gate.verify(sys.argv[2])\nexcept OutsideError as err:\n    print(err.code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, policy_file, good_package, log], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("audit.write\n", 0), done.stderr
    assert intact(log).lines == 1
    verify(good_package, VerifyRequest(policy=load_policy(policy_file), audit=AuditLog(path=log)))
    assert intact(log).lines == 2


def test_an_unsigned_file_that_is_let_in_is_noted(tmp_path, keys, log):
    package = make_package(tmp_path / "p", signers=[keys.release])
    report = verify(package, VerifyRequest(policy=load_policy(write_policy(tmp_path, {"release": (1, [keys.release.public])}))))
    loose = replace(
        report,
        policy=replace(report.policy, unsigned_files=(PackagePath("NOTES"), PackagePath("other"))),
        evidence=replace(report.evidence, unverified=("NOTES",)),
    )
    assert event_of(loose).loosened == ("unsigned file allowed: NOTES",)
    assert isinstance(event_of(loose), Decided)
