"""What a survey says has to change: one thing for each reason why a layer is missing, and nothing where none is."""

import json
from dataclasses import replace

import pytest

from mlsign.actions.scoring.survey import Survey, _advise
from mlsign.errors import JailError, OutsideError
from mlsign.report.sandbox_survey import render_survey_json, render_survey_text
from mlsign.sandbox.layers import FULL, Isolation, Layer
from mlsign.sandbox.machine import Machine, Setting

NAMESPACES = tuple(name for name in FULL if name.endswith("_namespace"))


def machine(*limiting: Setting, filtered: bool = False) -> Machine:
    return Machine(
        system="linux",
        kernel="6.1.0\x1b[31m",
        architecture="x86_64",
        user=1000,
        landlock=0,
        limiting=limiting,
        filtered=filtered,
        cgroup_memory=2_000_000_000,
        runsc="/usr/bin/runsc",
    )


def layers(*missing: str) -> tuple[Layer, ...]:
    return tuple(Layer(name=name, in_force=name not in missing, detail="why") for name in FULL)


def advice(found: Machine, *missing: str) -> list[str]:
    return list(_advise(found, layers(*missing), None))


def test_where_nothing_is_missing_nothing_is_to_change():
    assert advice(machine()) == []


@pytest.mark.parametrize(
    ("name", "value", "released"),
    [
        ("user.max_user_namespaces", "0", "10000"),
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ],
)
def test_a_setting_is_to_be_released(name, value, released):
    found = machine(Setting(name=name, value=value), filtered=True)
    assert advice(found, *NAMESPACES, "empty_root") == [f"sysctl -w {name}={released}"]


def test_a_container_is_to_allow_namespaces_and_elsewhere_the_reason_is_to_be_found():
    (words,) = advice(machine(filtered=True), *NAMESPACES, "empty_root")
    assert "let the container make user namespaces" in words
    (words,) = advice(machine(), *NAMESPACES, "empty_root")
    assert "find out what forbids user namespaces" in words


def test_every_other_layer_has_its_own():
    assert [words.split()[0] for words in advice(machine(), "user", "empty_root", "landlock")] == ["start", "let", "use"]


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (JailError("no", code="sandbox.unavailable", hint="score elsewhere"), "score elsewhere"),
        (OutsideError("no", code="sealed.unavailable"), "score on Linux"),
        (JailError("no", code="sandbox.layer"), "use a kernel of at least 5.9"),
        (JailError("no", code="sandbox.proof"), "report the kernel"),
    ],
)
def test_where_no_worker_could_be_confined_the_reason_decides(failure, words):
    (found,) = _advise(machine(), (), failure)
    assert words in found
    survey = Survey(machine=machine(), layers=(), failure=failure, without_gvisor=failure, advice=(found,))
    assert not any(survey.meets(isolation) for isolation in Isolation)
    assert "isolation: full       cannot be met\n" in render_survey_text(survey)


def test_what_a_machine_says_cannot_colour_the_terminal():
    survey = Survey(machine=machine(), layers=layers("landlock"), failure=None, without_gvisor=None, advice=())
    text = render_survey_text(survey)
    assert "\x1b" not in text + render_survey_json(survey)
    assert "memory limited to 2.0 GB" in text
    assert "gvisor       a worker ran inside /usr/bin/runsc" in text
    assert survey.meets(Isolation.AVAILABLE)
    assert not survey.meets(Isolation.FULL)


@pytest.mark.parametrize(
    ("runsc", "words"),
    [
        ("/opt/runsc", "gvisor       /opt/runsc cannot be used: it said \\u{1b}[31m no"),
        ("", "gvisor       runsc is not installed"),
    ],
)
def test_where_gvisor_cannot_be_used_the_reason_is_given(runsc, words):
    failure = JailError("it said \x1b[31m no", code="sandbox.unavailable")
    survey = Survey(machine=replace(machine(), runsc=runsc), layers=layers(), failure=None, without_gvisor=failure, advice=())
    assert words in render_survey_text(survey)
    assert json.loads(render_survey_json(survey))["gvisor"]["failure"]["code"] == "sandbox.unavailable"
    assert survey.meets(Isolation.FULL)
