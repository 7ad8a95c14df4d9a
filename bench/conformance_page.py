"""The page ``docs/conformance.md``: what came of the models in sum, what the shipped policies refuse, and every answer that is not as expected."""

from __future__ import annotations

import platform
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from importlib import metadata

from conformance_models import GROUPS
from conformance_run import DIFFERS, EMPTY, RUNTIMES, SHIPPED, Outcome, Result
from conformance_words import why

from mlsign.evidence.catalogue.pages import ENTRIES
from mlsign.sandbox.machine import processor_name
from mlsign.sandbox.runtimes import RuntimeName

SPOKEN = {RuntimeName.ONNXRUNTIME: "onnxruntime", RuntimeName.REFERENCE: "the reference evaluator"}
LONGEST = 160

INTRODUCTION = """# Conformance

The models that ONNX tests runtimes with: those of the `onnx` 1.17.0 wheel that come with inputs and expected outputs. Each was packed
with them as golden data, `mlsign pack --golden`, and replayed in the sandbox, `mlsign replay`, by onnxruntime and by the reference
evaluator, two implementations that share no code. Tolerances are those of ONNX's own tests, rtol 0.001 and atol 1e-7 where a test says
nothing else. The page is made by

    pip download --no-deps --only-binary=:all: --python-version 3.11 --platform manylinux2014_x86_64 onnx==1.17.0
    python -m zipfile -e onnx-1.17.0-*.whl onnx117
    python bench/conformance.py onnx117 --write docs/conformance.md

{made}
"""


BEYOND = """## Models of training tools

What scikit-learn, LightGBM, XGBoost and Spark export is held against the training library on both runtimes by `tests/runtimes`: linear models,
pipelines, k-means, multilayer perceptrons, forests and boosted trees are alike, and as the library predicts. One operator is not:
`SVMClassifier` with texts for labels has other probabilities in the reference evaluator; onnxruntime has those of scikit-learn.
"""


def render(results: list[Result]) -> str:
    """The page."""
    return "\n".join(
        [
            INTRODUCTION.format(made=made_with(results)),
            *in_sum(results),
            *refused(results),
            *policies(results),
            *reasons(results),
            BEYOND,
            *details(results),
            "",
        ]
    )


def made_with(results: list[Result]) -> str:
    """The versions and the machine, as they stand on the page: other ones may round otherwise."""
    told = {
        runtime: " and ".join(sorted({result.outcomes[runtime].version for result in results if result.outcomes} - {""}))
        for runtime in RUNTIMES
    }
    versions = f"onnxruntime {told[RuntimeName.ONNXRUNTIME]}, the reference evaluator of onnx {told[RuntimeName.REFERENCE]}"
    return f"Made with {versions}, numpy {metadata.version('numpy')}, on {platform.machine()}, {processor_name()}."


def passed(result: Result, runtime: RuntimeName) -> bool:
    return result.outcomes is not None and not result.outcomes[runtime].code


def in_sum(results: list[Result]) -> Iterator[str]:
    yield "## In sum\n"
    yield "| models | | packed | both as expected | onnxruntime alone | the reference evaluator alone | neither | empty outputs | both alike |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for group, title in (*GROUPS.items(), ("", "**all**")):
        chosen = [result for result in results if group in ("", result.model.group)]
        if not chosen:
            continue
        packed = [result for result in chosen if result.outcomes]
        empty = [result for result in packed if all(each.code == EMPTY for each in result.outcomes.values())]
        pairs = Counter(tuple(passed(result, runtime) for runtime in RUNTIMES) for result in packed if result not in empty)
        counts = (
            len(packed),
            *(pairs[pair] for pair in ((True, True), (True, False), (False, True), (False, False))),
            len(empty),
        )
        alike = sum(1 for result in packed if result.agree)
        yield f"| {title} | {len(chosen)} | {' | '.join(map(str, counts))} | {alike} |"
    yield ""
    yield "*Empty outputs* have no elements: there is nothing to compare, which a replay never counts as a pass. *Both alike* are models"
    yield "whose two answers are within the tolerance of each other, whatever the test expects.\n"
    yield "| runtime | as expected | differs | cannot run it | empty outputs |"
    yield "|---|---|---|---|---|"
    for runtime in RUNTIMES:
        codes = Counter(result.outcomes[runtime].code for result in results if result.outcomes)
        other = sum(count for code, count in codes.items() if code not in ("", DIFFERS, EMPTY))
        yield f"| {SPOKEN[runtime]} | {codes['']} | {codes[DIFFERS]} | {other} | {codes[EMPTY]} |"
    yield ""


def refused(results: list[Result]) -> Iterator[str]:
    found = [result for result in results if result.refused]
    yield "## Not packed\n"
    if not found:
        yield "Every model was packed.\n"
        return
    yield "| model | refused for | |"
    yield "|---|---|---|"
    yield from (f"| {named(result)} | {result.refused[0]} | {cell(result.refused[1])} |" for result in found if result.refused)
    yield ""


def policies(results: list[Result]) -> Iterator[str]:
    yield "## What the shipped policies refuse\n"
    yield "What each says of the models, their signers left aside. A finding is not a fault of the model: these are tests of every operator in"
    yield "every version, and a policy allows what scoring needs. `keyless` asks of models what `baseline` does.\n"
    yield "| policy | allowed | refused |"
    yield "|---|---|---|"
    for name in SHIPPED:
        denied = sum(1 for result in results if result.denied[name])
        yield f"| {name} | {len(results) - denied} | {denied} |"
    yield "\n| code | | of what | baseline | strict |"
    yield "|---|---|---|---|---|"
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for result in results:
        for name in SHIPPED:
            for key in {(code, general(code, found)) for code, found in result.denied[name]}:
                counts[key][name] += 1
    for (code, found), each in sorted(counts.items()):
        yield f"| [{code}](findings/{code}.md) | {ENTRIES[code].title} | {cell(found)} | {each['baseline'] or ''} | {each['strict'] or ''} |"
    yield ""


def general(code: str, found: str) -> str:
    """What was found, without numbers that every model has of its own."""
    return f"opset {found}" if code == "MLS304" else "" if found[:1].isdigit() else found


def reasons(results: list[Result]) -> Iterator[str]:
    yield "## Why\n"
    yield "Each answer that is not as expected was looked at; the models follow below.\n"
    yield "| why | onnxruntime | the reference evaluator |"
    yield "|---|---|---|"
    counts: dict[str, Counter[RuntimeName]] = defaultdict(Counter)
    for result, runtime, outcome in wrong(results):
        counts[why(result.model.name, runtime, outcome.reason)][runtime] += 1
    for text, each in sorted(counts.items(), key=lambda item: (-sum(item[1].values()), item[0])):
        yield f"| {text} | {' | '.join(str(each[runtime] or '') for runtime in RUNTIMES)} |"
    yield ""


def wrong(results: list[Result]) -> Iterator[tuple[Result, RuntimeName, Outcome]]:
    for result in results:
        for runtime, outcome in (result.outcomes or {}).items():
            if outcome.code not in ("", EMPTY):
                yield result, runtime, outcome


def details(results: list[Result]) -> Iterator[str]:
    yield "## Model by model\n"
    yield "Every answer that is not as expected. The largest errors are over all elements, those within the tolerance as well; in units in the"
    yield "last place of the output's own type, an error at zero is a very large number. They are missing where there was no answer, and for"
    yield "integers and texts, which are the same or not. What random operators answer differs from run to run and is left out.\n"
    yield "| model | runtime | what was answered | largest error | in ULPs | why |"
    yield "|---|---|---|---|---|---|"
    for result, runtime, outcome in wrong(results):
        text = why(result.model.name, runtime, outcome.reason)
        random = text.startswith("Random")
        said = "another draw" if random else shortened(outcome.reason)
        absolute = "" if outcome.absolute is None or random else f"{outcome.absolute:.3g}"
        ulps = "" if outcome.ulps is None or random else f"{outcome.ulps}"
        yield f"| {named(result)} | {SPOKEN[runtime]} | {cell(said)} | {absolute} | {ulps} | {text} |"
    yield ""
    yield (
        "Empty outputs: "
        + listed(named(r) for r in results if r.outcomes and any(o.code == EMPTY for o in r.outcomes.values()))
        + "."
    )


def named(result: Result) -> str:
    return f"{result.model.group}/{result.model.name}"


def shortened(reason: str) -> str:
    """What was said without where in its own source onnxruntime said it."""
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : |/onnxruntime_src/\S+ |onnxruntime::.*? with name:", "", reason)
    text = re.sub(r"\\u\{a\}", " ", text).replace(" node with name ''", "").strip()
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def listed(names: Iterable[str]) -> str:
    return ", ".join(names)
