"""A survey of what the sandbox can enforce on a machine, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator

from mlsign.actions.scoring.survey import Survey
from mlsign.errors import MlsignError, shown
from mlsign.report.findings_as_json import dump
from mlsign.report.workflow import inert
from mlsign.sandbox.layers import Isolation, missing_layers
from mlsign.sandbox.machine import Machine
from mlsign.words import size

SCHEMA = "mlsign/sandbox/v1"


def render_survey_text(survey: Survey) -> str:
    """For people: the machine, a line for each layer, whether each setting of a policy can be met, and what to change."""
    lines = [*_machine(survey.machine), f"gvisor       {_gvisor(survey)}", "", *_layers(survey), ""]
    lines += [f"isolation: {isolation.value:9}  {_verdict(survey, isolation)}" for isolation in Isolation]
    if survey.advice:
        lines += ["", "to change"] + [f"  - {words}" for words in survey.advice]
    return inert("\n".join(lines) + "\n")


def render_survey_json(survey: Survey) -> str:
    """For programs."""
    machine = survey.machine
    return dump(
        {
            "schema": SCHEMA,
            "isolation": {isolation.value: survey.meets(isolation) for isolation in Isolation},
            "layers": [{"name": each.name, "in_force": each.in_force, "detail": each.detail} for each in survey.layers],
            "failure": _failure(survey.failure),
            "advice": list(survey.advice),
            "machine": {
                "system": machine.system,
                "kernel": machine.kernel,
                "architecture": machine.architecture,
                "user": machine.user,
                "landlock": machine.landlock,
                "limiting": {setting.name: setting.value for setting in machine.limiting},
                "filtered": machine.filtered,
                "cgroup_memory": machine.cgroup_memory,
                "runsc": machine.runsc or None,
            },
            "gvisor": {"usable": survey.without_gvisor is None, "failure": _failure(survey.without_gvisor)},
        }
    )


def _machine(machine: Machine) -> Iterator[str]:
    yield f"machine      {shown(machine.system)} {shown(machine.kernel)} on {shown(machine.architecture)}, as user {machine.user}"
    yield f"landlock     {f'version {machine.landlock}' if machine.landlock else 'none'}"
    limits = ", ".join(f"{setting.name} = {shown(setting.value)}" for setting in machine.limiting)
    yield f"user ns      {f'forbidden by {limits}' if limits else 'forbidden by no setting'}"
    yield f"container    {'a system call filter is in force already' if machine.filtered else 'no system call filter so far'}"
    memory = machine.cgroup_memory
    yield f"cgroup       {'no limit on memory' if memory is None else f'memory limited to {size(memory)}'}"


def _gvisor(survey: Survey) -> str:
    runsc = shown(survey.machine.runsc)
    if survey.without_gvisor is None:
        return f"a worker ran inside {runsc}"
    return f"{runsc} cannot be used: {shown(survey.without_gvisor.message, limit=1000)}" if runsc else "runsc is not installed"


def _failure(error: MlsignError | None) -> dict[str, str] | None:
    return None if error is None else {"code": error.code, "message": error.message}


def _layers(survey: Survey) -> Iterator[str]:
    if survey.failure is not None:
        yield f"no worker could be confined here: {shown(survey.failure.message, limit=1000)}"
        return
    yield "layers, as a worker found that confined itself here"
    for layer in survey.layers:
        yield f"  {'in force' if layer.in_force else 'missing '}  {shown(layer.name):17} {shown(layer.detail)}"


def _verdict(survey: Survey, isolation: Isolation) -> str:
    if survey.meets(isolation):
        return "can be met"
    if survey.failure is not None:
        return "cannot be met"
    names = ", ".join(shown(layer.name) for layer in missing_layers(survey.layers, isolation=isolation))
    return f"cannot be met, missing: {names}"
