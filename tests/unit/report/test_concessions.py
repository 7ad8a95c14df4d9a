"""What an allowance rests on besides the rules: told in every format, and never in the place of what is wrong."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

import mlsign
from mlsign.cli.report_files import say_conceded
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import KnownBy, UnreadFile
from mlsign.paths import PackagePath
from mlsign.policy.exemption import Excepted, Exemption
from mlsign.policy.lineage import Loosened
from mlsign.policy.model import Mode, Verdict
from mlsign.report.as_github import render_report as as_github
from mlsign.report.as_markdown import render_report as as_markdown
from mlsign.report.concessions import concessions
from mlsign.report.places import Base
from mlsign.report.report_as_sarif import render_report as as_sarif

BASE = Base(folder="fraud", is_folder=True)
OLD = Finding(code="MLS402", outcome=Outcome.FAIL, message="too old", where="mlsign.json")


@pytest.fixture
def report(package, gate):
    return gate.verify(package)


def conceding(report: mlsign.Report, count: int = 1, **more) -> mlsign.Report:
    exemption = Exemption(
        digest=report.evidence.digest,
        codes=frozenset({"MLS402"}),
        reason="INC-4711 ](http://e.example)",
        until=datetime(2999, 1, 1, tzinfo=UTC),
    )
    loosened = Loosened(field="age", reason="pilot", parent="base", child="team", tight="1d", loose="9d")
    lineage = replace(report.policy.lineage, loosened=(loosened,) * count)
    used = (Excepted(exemption=exemption, findings=(OLD, OLD)),) * count
    decision = replace(report.decision, summary=report.evidence.signatures[0], excepted=used, **more)
    return replace(report, policy=replace(report.policy, lineage=lineage), decision=decision)


def test_there_is_nothing_to_tell_of_an_allowance_by_the_rules(report):
    assert concessions(report) == ()
    assert "EXCEPTION" not in as_github(report, base=BASE) + as_markdown(report) + as_sarif(report, base=BASE, version="1")


def test_each_kind_is_told_once_with_its_count(report):
    summary, used, loosened = concessions(conceding(report, 60))
    assert summary.title == "VERIFICATION SUMMARY in place of signatures"
    assert (used.title, len(used.lines)) == ("EXCEPTION: 60 exceptions used", 60)
    assert used.lines[0] == "MLS402 x2 not held against it until 2999-01-01T00:00:00Z: INC-4711 ](http://e.example)"
    assert loosened.title == "LOOSENED: 60 fields of the policy are looser than in one that it extends"
    assert loosened.lines[0] == "team loosens age of base from 1d to 9d: pilot"
    assert concessions(conceding(report))[2].title.startswith("LOOSENED: 1 field of the policy is looser")


def test_files_that_a_store_knows_are_told_and_sealed_memory_concedes_nothing(report):
    def unread(known_by, count):
        files = tuple(UnreadFile(path=PackagePath(f"w{n:02}.bin"), size=2_000_000, known_by=known_by) for n in range(count))
        return replace(report, evidence=replace(report.evidence, unread=files))

    assert concessions(unread(KnownBy.SEALED_MEMORY, 3)) == ()
    (told,) = concessions(unread(KnownBy.STORE, 18))
    assert told.title == "NOT READ: 18 files of a store that the policy believes"
    assert told.lines[0] == "w00.bin, 2.0 MB"
    assert told.lines[-1] == "and 2 more"
    assert "NOT READ" in as_github(unread(KnownBy.STORE, 1), base=BASE)


@pytest.mark.parametrize("mode", Mode)
def test_annotations_of_many_concessions_leave_the_room_of_findings(report, mode):
    wrong = tuple(replace(OLD, code="MLS101", where=f"file-{n}") for n in range(30))
    bad = conceding(report, 60, findings=wrong, verdict=Verdict.DENY, mode=mode)
    lines = as_github(bad, base=BASE).splitlines()
    # The verdict, nine errors that have room beside it; in audit mode all of them are notices.
    assert sum("title=MLS101" in line for line in lines) == (6 if mode is Mode.AUDIT else 9)
    assert sum(line.startswith("::notice") for line in lines) <= 10
    assert [line.split("::")[2].split(" ")[0] for line in lines[1:4]] == ["VERIFICATION", "EXCEPTION:", "LOOSENED:"]
    assert "of this package left out" in lines[-1]


def test_markdown_of_many_concessions_still_shows_what_is_wrong(report):
    wrong = tuple(replace(OLD, code="MLS101", where=f"file-{n}") for n in range(5))
    page = as_markdown(conceding(report, 250, findings=wrong, verdict=Verdict.DENY), limit=4000)
    assert page.count("| ❌ | `MLS101` |") == 5
    assert page.index("> **⚠️ EXCEPTION: 250 exceptions used**") < page.index("### What is wrong")
    assert "concessions" in page.split("Left out here: ")[1]


def test_sarif_tells_it_in_notes_and_properties_and_in_no_result(report):
    (run,) = json.loads(as_sarif(conceding(report), base=BASE, version="1"))["runs"]
    notes = run["invocations"][0]["toolExecutionNotifications"]
    assert [note["level"] for note in notes] == ["note"] * 3
    assert "](" not in json.dumps(notes)
    assert run["results"] == []
    assert run["properties"]["summary"] == report.evidence.signatures[0].bundle
    assert run["properties"]["loosened"] == [{"field": "age", "reason": "pilot"}]
    assert run["properties"]["exceptions"] == [
        {"findings": ["MLS402"], "reason": "INC-4711 ](http://e.example)", "until": "2999-01-01T00:00:00Z"}
    ]


def test_sarif_says_audit_mode_only_of_what_was_judged_in_it(report):
    """A policy in audit mode that is not for the package denies it all the same."""
    other = replace(OLD, code="MLS423")
    denied = replace(report.decision, findings=(other,), verdict=Verdict.DENY)
    bad = replace(report, policy=replace(report.policy, mode=Mode.AUDIT), decision=denied)
    page = as_sarif(bad, base=BASE, version="1")
    assert "Audit mode" not in page
    assert json.loads(page)["runs"][0]["properties"]["mode"] == "enforce"


def test_a_command_without_a_report_says_it_on_standard_error(report, capsys):
    say_conceded(conceding(report, 13))
    out, err = capsys.readouterr()
    assert out == ""
    assert "mlsign: EXCEPTION: 13 exceptions used\n  MLS402 x2 not held against it" in err
    assert err.count("and 1 more; --report json=FILE has them all") == 2
