"""Score: an admitted model, rows in, answers out, computed in a confined process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mlsign.actions.scoring.confinement import Confinement
from mlsign.actions.scoring.jailing import jail_spec, jailed_model
from mlsign.actions.verification.admit import AdmittedModel, admit
from mlsign.actions.verification.verify import Report, VerifyRequest
from mlsign.errors import InputError, shown
from mlsign.package.stream import Advance
from mlsign.sandbox.layers import Layer

if TYPE_CHECKING:
    from mlsign.sandbox.jail import Jail


class Scorer:
    """One model in one confined worker. Threads may share it; calls are answered one after the other.

    Starting it raises ``JailError`` where the worker cannot be confined, unless confinement is waived by
    name; ``layers`` say what was in force. The admitted model must stay open as long as the scorer starts.
    """

    def __init__(self, model: AdmittedModel, *, confinement: Confinement = Confinement.REQUIRED) -> None:
        # Starting the jail brings in numpy, which verifying alone does not need.
        from mlsign.sandbox.jail import Jail

        self._jail: Jail = Jail.start(
            jailed_model(model.sealed, model_path=model.model_path, summary=model.summary),
            spec=jail_spec(model.report.policy.sandbox, wall=confinement.wall),
            allow_unsandboxed=confinement is Confinement.WAIVED,
        )

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Each layer of the sandbox and whether it is in force."""
        return self._jail.layers

    def run(self, inputs: Mapping[str, Any], *, seconds: float | None = None) -> dict[str, Any]:
        """Outputs by name for arrays by name.

        Sequences are lists, maps dictionaries, an optional that holds nothing None; elements that numpy has no name for
        are unsigned integers of their bits. ``seconds`` shortens the deadline that the policy gives. Arrays are checked
        against the model's own inputs first: ``InputError`` (``input.…``) says what the model wants. ``JailError``
        (``sandbox.…``) means there is no answer: after an error of the model itself (``sandbox.model.run``,
        ``sandbox.memory``, ``sandbox.output.…`` where the results are too large or of no kind) the scorer goes on, after
        any other it is finished.
        """
        return self._jail.run(inputs, seconds=seconds)

    def lend(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
        """Arrays of these shapes in the memory that the worker reads, to be filled and given to ``run``: nothing is copied in.

        They hold what they held, and are good until a call with other shapes is made. Raises ``InputError`` (``input.…``).
        """
        return self._jail.lend(shapes)

    def close(self) -> None:
        """Ends the worker."""
        self._jail.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRequest:
    """What to score and where to put the answers; the formats follow from the files' endings."""

    verify: VerifyRequest
    input: Path
    output: Path
    confinement: Confinement = Confinement.REQUIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What was done: the report that let the model in, how it was confined, what was written."""

    report: Report
    layers: tuple[Layer, ...]
    output: Path
    outputs: Mapping[str, str]


def score(path: Path, request: ScoreRequest, *, advance: Advance | None = None) -> Scored:
    """Scores a file of inputs with the package at ``path``.

    Raises ``Denied`` before anything is run, ``InputError`` for inputs that the model does not take,
    ``JailError`` when there is no answer and ``OutsideError``. The output appears whole or not at all.
    """
    from mlsign.sandbox.feeds import naming_file, read_feeds
    from mlsign.sandbox.jail import Jail
    from mlsign.sandbox.results import check_output_format, write_results

    check_output_format(request.output)
    _check_output_apart(path, request)
    Jail.prepare()  # the runtime is imported while the package is verified
    with admit(path, request.verify, advance=advance) as model:
        with naming_file(request.input):
            feeds = read_feeds(request.input, inputs=model.summary.inputs, limits=request.verify.limits)
        with Scorer(model, confinement=request.confinement) as scorer:
            results = scorer.run(feeds)
            layers = scorer.layers
        write_results(request.output, results)
        return Scored(
            report=model.report,
            layers=layers,
            output=request.output,
            outputs={value.name: str(value.type) for value in model.summary.outputs},
        )


def _check_output_apart(package: Path, request: ScoreRequest) -> None:
    """The answers must not go where something is read or kept. Raises ``InputError`` (``usage.output``)."""
    log = request.verify.audit
    output = Path(os.path.realpath(request.output))
    others = {"the audit log": None if log is None else log.path, "the input": request.input}
    wrong = next((f"is {what}" for what, path in others.items() if path and Path(os.path.realpath(path)) == output), "")
    if Path(os.path.realpath(package)) in (output, *output.parents):
        # There they would be a file that nobody signed, or stand in the place of one that somebody did.
        wrong = "lies in the package that is scored"
    if wrong:
        raise InputError(
            f"{wrong}, so the answers cannot go there",
            code="usage.output",
            where=shown(request.output),
            hint="name another file",
        )
