"""Every recipe of the cookbook is a policy that allows what it should, denies what it is there to deny, and says so as shown."""

import re
import shutil
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kitchen import IRIS, ISSUER, NOW, PAGE, REFUSED, Kitchen, read_recipes, write_custom, write_retrained
from local_sigstore import LocalSigstore
from typer.testing import CliRunner

import mlsign.actions.verification.verify
from mlsign.actions.golden.request import GoldenCheck, GoldenRequest
from mlsign.actions.policies.check_policy import check_policy
from mlsign.cli.main import app
from mlsign.errors import InputError
from mlsign.evidence.findings import Outcome
from mlsign.policy.lint.remark import Severity
from mlsign.policy.model import Verdict
from mlsign.report.as_text import render_report

RECIPES = read_recipes(PAGE.read_text(encoding="utf-8"))
OLD = NOW - timedelta(days=200)


@pytest.fixture(scope="module")
def sigstore() -> Iterator[LocalSigstore]:
    with LocalSigstore(now=lambda: NOW, since=NOW - timedelta(days=300), issuer=ISSUER) as service:
        yield service


@pytest.fixture
def kitchen(tmp_path: Path, sigstore: LocalSigstore, monkeypatch: pytest.MonkeyPatch) -> Kitchen:
    found = Kitchen(folder=tmp_path, sigstore=sigstore)
    monkeypatch.setenv("MLSIGN_STATE", str(found.state))
    return found


# Each makes the package of the command shown, and returns one that is allowed.


def workflow(kitchen: Kitchen, shown: str) -> Path:
    kitchen.trust_sigstore()
    good = kitchen.package("fraud-1.2.0")
    bad = Path(shutil.copytree(good, kitchen.folder / shown))
    kitchen.sign_as_workflow(good)
    kitchen.sign_as_workflow(bad, ref="refs/heads/v1.2.0")
    return good


def reviewers(kitchen: Kitchen, shown: str) -> Path:
    kitchen.package("fraud-1.2.0", "release", "alice", folder=shown)
    return kitchen.package("fraud-1.2.0", "release", "alice", "carol")


def vendor(kitchen: Kitchen, shown: str) -> Path:
    kitchen.package(shown, "vendor")
    good = kitchen.package("fraud-1.2.0", "vendor")
    kitchen.countersign(good, "approval")
    return good


def standard(kitchen: Kitchen, shown: str) -> Path:
    kitchen.package(shown, "release", model=write_custom(kitchen.folder / "custom.onnx"))
    return kitchen.package("fraud-1.2.0", "release")


def quarantine(kitchen: Kitchen, shown: str) -> Path:
    kitchen.package(shown, "release")
    return kitchen.package("fraud-1.3.0", "release")


def by_release(kitchen: Kitchen, shown: str) -> Path:
    kitchen.package(shown, "release")
    return kitchen.package("fraud-1.2.1", "release")


def glass(kitchen: Kitchen, shown: str) -> Path:
    kitchen.package(shown, "release")
    return kitchen.package("fraud-1.2.0", "release")


def trial(kitchen: Kitchen, shown: str) -> Path:
    kitchen.package("fraud-1.2.0", "stranger", folder=shown)
    return kitchen.package("fraud-1.2.0", "release")


def plant(kitchen: Kitchen, shown: str) -> Path:
    organisation = kitchen.carry_in()
    kitchen.sign_stamped(kitchen.package(shown), organisation.sign, OLD)
    good = kitchen.package("fraud-1.2.0")
    kitchen.sign_stamped(good, organisation.sign, NOW - timedelta(days=30))
    return good


def hybrid(kitchen: Kitchen, shown: str) -> Path:
    kitchen.package("fraud-1.2.0", "release", folder=shown)
    return kitchen.package("fraud-1.2.0", "release", "release-pq")


def families(kitchen: Kitchen, shown: str) -> Path:
    kitchen.package(shown, "release", "alice", "vision")
    return kitchen.package("vision-cats-1.0.0", "vision")


def history(kitchen: Kitchen, shown: str) -> Path:
    first = kitchen.package("fraud-1.0.0", "release", folder="kept/fraud-1.0.0")
    kitchen.package("fraud-1.1.0", "release", folder="kept/fraud-1.1.0", previous=first)
    shutil.copytree(first.parent, kitchen.folder / shown)
    shutil.rmtree(kitchen.folder / shown / "fraud-1.0.0")
    retrained = write_retrained(kitchen.folder / "retrained.onnx")
    kitchen.package("fraud-1.0.0", "release", folder=f"{shown}/fraud-1.0.0", model=retrained)
    return first.parent


COMPUTED = GoldenRequest(inputs=(IRIS.with_name("rows.csv"),))


def answers(kitchen: Kitchen, shown: str) -> Path:
    good = kitchen.package("fraud-1.2.0", "release", golden_request=COMPUTED)
    retrained = write_retrained(kitchen.folder / "retrained.onnx")
    unchecked = GoldenRequest(check=GoldenCheck.NEVER)
    kitchen.package("fraud-1.2.0", "release", folder=shown, model=retrained, golden=(good / "golden",), golden_request=unchecked)
    return good


def tried(kitchen: Kitchen, shown: str) -> Path:
    good = kitchen.package("fraud-1.2.0", "release", golden_request=COMPUTED)
    untried = Path(shutil.copytree(good, kitchen.folder / shown))
    kitchen.replay(good, "arm-lab", platform="linux/arm64")
    kitchen.replay(untried, "release", platform="linux/arm64")
    return good


Make = Callable[[Kitchen, str], Path]
COOKED: dict[str, tuple[Make, set[str]]] = {
    "Only our release workflow": (workflow, {"MLS205", "MLS215"}),
    "Two reviewers": (reviewers, {"MLS205"}),
    "A vendor's key and our countersignature": (vendor, {"MLS205"}),
    "No custom operators": (standard, {"MLS303", "MLS381"}),
    "Quarantine of pre-releases": (quarantine, {"MLS420"}),
    "Freeze on an incident": (by_release, {"MLS401"}),
    "Break the glass for one package": (glass, {"MLS305"}),
    "Audit first, enforce later": (trial, {"MLS205", "MLS204"}),
    "A plant without a network": (plant, {"MLS205", "MLS216"}),
    "Classical and post-quantum": (hybrid, {"MLS205"}),
    "A minimum version, and no way back": (by_release, {"MLS402"}),
    "A history back to the first release": (history, set()),
    "The answers it was tested for": (answers, {"MLS406"}),
    "Tried on the machines it is for": (tried, {"MLS221", "MLS406", "MLS407"}),
    "Different rules for different families": (families, {"MLS423"}),
}
"""By title: what makes the packages, and all that stands against the one that is denied."""


def test_every_recipe_is_tried_and_listed() -> None:
    assert list(RECIPES) == list(COOKED)
    listed = re.findall(r"^\| .* \| \[.*\]\(#(.*)\) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in RECIPES]


def against(report: mlsign.Report) -> set[str]:
    """The codes of everything that stands against the package; none of them if and only if it is allowed."""
    bad = {f.code for f in report.decision.findings if f.outcome is not Outcome.PASS}
    assert (report.decision.verdict is Verdict.ALLOW) == (not bad)
    return bad


@pytest.mark.parametrize("title", COOKED)
def test_a_recipe_allows_one_package_and_denies_another_for_its_own_reason(title: str, kitchen: Kitchen) -> None:
    make, codes = COOKED[title]
    policy = kitchen.lay_out(RECIPES[title])
    shown = RECIPES[title].command.split()[2]
    good = make(kitchen, shown)
    if RECIPES[title].command.startswith("mlsign log "):  # every package is allowed, and what they are together is not
        verdicts = [kitchen.log(place, policy).verdict for place in (kitchen.folder / shown, good)]
        assert (verdicts, codes) == ([Verdict.DENY, Verdict.ALLOW], set())
        return
    assert against(kitchen.verify(kitchen.folder / shown, policy)) == codes
    assert against(kitchen.verify(good, policy)) == set()


class Stopped(datetime):
    """The clock of the page."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return NOW.astimezone(tz)


@pytest.fixture
def run(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Runs a command of the page in its folder, at its time."""
    monkeypatch.chdir(kitchen.folder)
    monkeypatch.setattr(mlsign.actions.verification.verify, "datetime", Stopped)
    return lambda command: CliRunner().invoke(app, command.split()[1:])


def matches(shown: list[str], printed: list[str]) -> bool:
    """Whether ``printed`` is as shown: ``...`` stands for any lines, and ``…`` for anything within one."""
    parts = ["(.*\n)*" if line.strip() == "..." else re.escape(line).replace("…", ".*") + "\n" for line in shown]
    return re.fullmatch("".join(parts), "".join(f"{line}\n" for line in printed)) is not None


@pytest.mark.parametrize("title", COOKED)
def test_what_the_page_shows_is_what_is_printed(title: str, kitchen: Kitchen, run: Callable[[str], Any]) -> None:
    recipe = RECIPES[title]
    kitchen.lay_out(recipe)
    good = COOKED[title][0](kitchen, recipe.command.split()[2])
    done = run(recipe.command)
    assert matches(recipe.printed, done.output.rstrip("\n").split("\n")), done.output
    assert {line.split()[1] for line in recipe.printed if re.match(r"  [✗?] MLS", line)} == COOKED[title][1]
    assert done.exit_code == (0 if "mode: audit" in "".join(recipe.policies.values()) else 1)
    allowed = run(recipe.command.replace(recipe.command.split()[2], good.name))
    assert (allowed.exit_code, "DENIED" in allowed.stdout) == (0, False)


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        (["a", "...", "b"], ["a", "x", "y", "b"], True),
        (["a", "...", "b"], ["a", "b"], True),
        (["a", "...", "b"], ["a", "x", "c"], False),
        (["a"], ["a", "b"], False),
        (["a…c"], ["abc"], True),
        (["a…c"], ["a", "c"], False),
        (["a.c"], ["abc"], False),
    ],
)
def test_what_is_shown_can_differ_from_what_is_printed(shown: list[str], printed: list[str], same: bool) -> None:
    assert matches(shown, printed) is same


@pytest.mark.parametrize("title", COOKED)
def test_nothing_in_a_recipe_is_likely_not_meant(title: str, kitchen: Kitchen) -> None:
    kitchen.lay_out(RECIPES[title])
    kitchen.carry_in()
    for name in RECIPES[title].policies:
        # Some weeks before what ends soon: an exception for days is told of from its first one on.
        remarks = check_policy(kitchen.folder / name, now=NOW - timedelta(days=30)).remarks
        told = {remark.code for remark in remarks if remark.severity is not Severity.INFORMATION}
        assert told == ({"mode.audit"} if name == "trial.yaml" else set()), name


# What the page says beside the one denial that it shows.


def laid_out(kitchen: Kitchen, title: str, change: Callable[[str], str] = str) -> Path:
    """The policy of a recipe, changed as the page says that it may be. A change that changes nothing is a fault of the test."""
    policy = kitchen.lay_out(RECIPES[title])
    if change is not str:
        text = policy.read_text(encoding="utf-8")
        assert change(text) != text
        policy.write_text(change(text), encoding="utf-8")
    return policy


@pytest.mark.parametrize(
    "claims",
    [
        {"repository": "acme/fraud-fork"},
        {"repository": "mallory/fraud"},
        {"workflow": "test.yml"},
        {"ref": "refs/tags/v1/../x"},
        {"event_name": "pull_request_target"},
        {"runner_environment": "self-hosted"},
    ],
)
def test_no_other_run_signs_for_the_release_workflow(claims: dict[str, str], kitchen: Kitchen) -> None:
    policy = laid_out(kitchen, "Only our release workflow")
    kitchen.trust_sigstore()
    package = kitchen.package("fraud-1.2.0")
    kitchen.sign_as_workflow(package, **claims)
    assert "MLS205" in against(kitchen.verify(package, policy))


def test_one_key_under_two_names_is_one_reviewer(kitchen: Kitchen) -> None:
    policy = laid_out(kitchen, "Two reviewers")
    shutil.copy(kitchen.folder / "keys" / "alice.pub", kitchen.folder / "keys" / "bob.pub")
    package = kitchen.package("fraud-1.2.0", "release", "alice")
    assert against(kitchen.verify(package, policy)) == {"MLS205"}


def test_a_signature_by_our_key_is_no_countersignature(kitchen: Kitchen) -> None:
    policy = laid_out(kitchen, "A vendor's key and our countersignature")
    assert "MLS205" in against(kitchen.verify(kitchen.package("fraud-1.2.0", "vendor", "approval"), policy))


def test_a_custom_operator_needs_the_two_settings_that_are_named(kitchen: Kitchen) -> None:
    allowed = laid_out(kitchen, "No custom operators", lambda text: text.replace("ml-v1]", 'ml-v1, "com.acme:Boost"]'))
    package = kitchen.package("fraud-2.0.0", "release", model=write_custom(kitchen.folder / "custom.onnx"))
    assert against(kitchen.verify(package, allowed)) == {"MLS381"}
    allowed.write_text(allowed.read_text() + "model: {run: {unknown_sizes: allow}}\n")
    assert against(kitchen.verify(package, allowed)) == set()


@pytest.mark.parametrize("release", ["fraud-0.9.0", "fraud-2.0.0-alpha", "fraud-2.0.0-rc.1+build-5"])
def test_what_is_not_released_stays_in_quarantine(release: str, kitchen: Kitchen) -> None:
    policy = laid_out(kitchen, "Quarantine of pre-releases")
    package = kitchen.package(release, "release")
    assert against(kitchen.verify(package, policy)) == {"MLS420"}
    elsewhere = laid_out(kitchen, "Quarantine of pre-releases", lambda text: text[: text.index("rules:")])
    assert against(kitchen.verify(package, elsewhere)) == set()


def test_a_hyphen_in_build_metadata_makes_no_pre_release(kitchen: Kitchen) -> None:
    policy = laid_out(kitchen, "Quarantine of pre-releases")
    assert against(kitchen.verify(kitchen.package("fraud-2.0.0+build-5", "release"), policy)) == set()


def test_an_incident_stops_a_name_a_file_and_in_the_end_everything(kitchen: Kitchen) -> None:
    policy = laid_out(kitchen, "Freeze on an incident")
    assert against(kitchen.verify(kitchen.package("churn-7.0.0", "release"), policy)) == {"MLS401"}
    assert against(kitchen.verify(kitchen.package("churn-eu-7.0.0", "release"), policy)) == set()
    hidden = kitchen.package("other-1.0.0", "release", model=REFUSED, description="another name, another text")
    assert "MLS401" in against(kitchen.verify(hidden, policy))
    good = kitchen.package("fraud-1.2.1", "release")
    end = datetime(2026, 12, 31, tzinfo=UTC)
    assert against(kitchen.verify(good, policy, now=end - timedelta(seconds=1))) == set()
    assert against(kitchen.verify(good, policy, now=end)) == {"MLS431"}


def test_the_glass_is_whole_again_on_friday_evening(kitchen: Kitchen) -> None:
    policy = laid_out(kitchen, "Break the glass for one package")
    package = kitchen.package("fraud-1.2.0", "release")
    report = kitchen.verify(package, policy)
    assert "INC-4711, split into two models in 1.3.0" in render_report(report, width=100, color=False)
    end = datetime(2026, 12, 4, 18, tzinfo=UTC)
    assert end.strftime("%A") == "Friday"
    assert against(kitchen.verify(package, policy, now=end - timedelta(seconds=1))) == set()
    assert against(kitchen.verify(package, policy, now=end)) == {"MLS305", "MLS422"}
    unsigned = kitchen.package("fraud-1.2.0", folder="unsigned")
    assert "MLS201" in against(kitchen.verify(unsigned, policy))


def test_no_other_machine_stands_in_for_the_one_that_is_asked_for(kitchen: Kitchen) -> None:
    policy = laid_out(kitchen, "Tried on the machines it is for")
    package = kitchen.package("fraud-1.2.0", "release", golden_request=COMPUTED)
    kitchen.replay(package, "arm-lab", platform="linux/amd64")
    assert against(kitchen.verify(package, policy)) == {"MLS406", "MLS407"}
    kitchen.replay(package, "arm-lab", platform="linux/arm64")
    assert against(kitchen.verify(package, policy)) == set()


def test_without_the_line_the_trial_is_over(kitchen: Kitchen, run: Callable[[str], Any]) -> None:
    command = RECIPES["Audit first, enforce later"].command
    policy = laid_out(kitchen, "Audit first, enforce later")
    package = kitchen.package("fraud-1.2.0", "stranger", folder=command.split()[2])
    on_trial = kitchen.verify(package, policy)
    with mlsign.Gate.load(policy).admit(package) as model:
        assert against(model.report) == {"MLS204", "MLS205"}
    policy = laid_out(kitchen, "Audit first, enforce later", lambda text: text.replace("mode: audit\n", ""))
    enforced = kitchen.verify(package, policy)
    assert enforced.decision.findings == on_trial.decision.findings
    with pytest.raises(mlsign.Denied):
        mlsign.Gate.load(policy).admit(package)
    assert run(command).exit_code == 1


def test_a_plant_asks_nobody(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = laid_out(kitchen, "A plant without a network")
    good = plant(kitchen, "fraud-1.1.0")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("asks the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert against(kitchen.verify(good, policy)) == set()


def test_a_plant_stops_without_timestamps_and_without_new_revocation_lists(kitchen: Kitchen) -> None:
    policy = laid_out(kitchen, "A plant without a network")
    good = plant(kitchen, "fraud-1.1.0")
    assert "MLS205" in against(kitchen.verify(good, policy, now=NOW + timedelta(days=7)))
    bare = kitchen.package("fraud-1.3.0")
    kitchen.sign_stamped(bare, kitchen.carry_in().sign, None)
    assert against(kitchen.verify(bare, policy)) == {"MLS205", "MLS216", "MLS217"}


def test_a_plant_may_take_keys_instead(kitchen: Kitchen) -> None:
    def with_key(text: str) -> str:
        return re.sub(r"- certificate:\n(?: {10}.*\n)+", "- key: keys/release.pub\n", text)

    policy = laid_out(kitchen, "A plant without a network", with_key)
    kitchen.carry_in()
    for folder, age, expected in (("new", 30, set()), ("old", 200, {"MLS205", "MLS216"})):
        package = kitchen.package("fraud-1.2.0", folder=folder)
        kitchen.sign_stamped(package, kitchen.key("release").signer.sign, NOW - timedelta(days=age))
        shutil.rmtree(kitchen.folder / "pki", ignore_errors=True)
        assert against(kitchen.verify(package, policy)) == expected


def test_the_post_quantum_key_alone_does_not_do_either(kitchen: Kitchen) -> None:
    policy = laid_out(kitchen, "Classical and post-quantum")
    assert against(kitchen.verify(kitchen.package("fraud-1.2.0", "release-pq"), policy)) == {"MLS205"}


def test_there_is_no_way_back(kitchen: Kitchen) -> None:
    policy = laid_out(kitchen, "A minimum version, and no way back")
    new, old = kitchen.package("fraud-1.3.0", "release"), kitchen.package("fraud-1.2.0", "release")
    assert against(kitchen.verify(old, policy)) == set()
    assert against(kitchen.verify(new, policy)) == set()
    assert against(kitchen.verify(old, policy)) == {"MLS403"}
    other = kitchen.package("fraud-1.3.0", "release", folder="other", description="other content")
    assert against(kitchen.verify(other, policy)) == {"MLS403"}


def test_each_family_has_its_own_signers_and_caps(kitchen: Kitchen) -> None:
    policy = laid_out(kitchen, "Different rules for different families")
    assert against(kitchen.verify(kitchen.package("fraud-1.2.0", "release", "alice"), policy)) == set()
    assert "MLS205" in against(kitchen.verify(kitchen.package("fraud-eu-1.2.0", "vision"), policy))
    assert "MLS205" in against(kitchen.verify(kitchen.package("vision-x-1.2.0", "release", "alice"), policy))


def test_data_that_a_model_contradicts_is_not_packed_without_being_asked_to(kitchen: Kitchen) -> None:
    good = kitchen.package("fraud-1.2.0", golden_request=COMPUTED)
    retrained = write_retrained(kitchen.folder / "retrained.onnx")
    with pytest.raises(InputError) as caught:
        kitchen.package("fraud-1.2.1", model=retrained, golden=(good / "golden",))
    assert caught.value.code == "golden.contradicted"
