"""The differential target tells what it is there to tell: each kind of disagreement, made by hand."""

import importlib
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mlsign.interface import TypeSpec, ValueKind, ValueSpec

FUZZ = Path(__file__).resolve().parent.parent / "fuzz"
if str(FUZZ) not in sys.path:
    sys.path.append(str(FUZZ))
TARGET = importlib.import_module("differential_onnx")
LIBRARY = importlib.import_module("onnx_oracle")
RUNTIME = importlib.import_module("runtime_oracle")
TREE = importlib.import_module("onnx_tree")
WIRE = importlib.import_module("wire_tree")
CORPUS = sorted(path for folder in (TARGET.CORPUS, FUZZ / "corpora" / "onnx") for path in folder.iterdir())
GOOD = (FUZZ.parent / "tests" / "vectors" / "onnx" / "good.onnx").read_bytes()
LEAST = (TARGET.CORPUS / "least_by_minus_one.onnx").read_bytes()


def kinds(found):
    return [one.kind for one in found]


@pytest.fixture
def summary():
    found = TARGET.accepted(GOOD)
    assert found is not None
    return found


@pytest.mark.linux
@pytest.mark.skipif(sys.platform != "linux", reason="needs the sandbox")
@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_onnx_and_onnxruntime_read_what_the_reader_accepts(path):
    found = TARGET.disagreements(path.read_bytes(), load=True)
    assert [one for one in found if one.kind not in TARGET.TOLD] == []


def test_other_facts_and_a_refusal_of_the_checker_are_disagreements(summary):
    assert TARGET.against_library(GOOD, summary) == []
    assert kinds(TARGET.against_library(GOOD, replace(summary, opsets=(), inputs=()))) == ["facts: opsets", "facts: inputs"]
    tree = TREE.parsed(GOOD, TREE.schema.MODEL)
    bad = WIRE.written([field for field in tree if field.number != 8])  # no operator set is imported
    assert TARGET.accepted(bad) is None
    assert kinds(TARGET.against_library(bad, replace(summary, opsets=()))) == ["onnx refuses"]
    assert kinds(TARGET.against_library(b"\x07", summary)) == ["onnx cannot parse"]


def test_a_disagreement_ends_the_run_or_is_collected(summary, monkeypatch, tmp_path):
    monkeypatch.setattr(TARGET, "accepted", lambda _: replace(summary, opsets=()))
    with pytest.raises(AssertionError, match="facts: opsets"):
        TARGET.check(GOOD)
    monkeypatch.setattr(TARGET, "COLLECTED", tmp_path)
    monkeypatch.setattr(TARGET, "KEEP_GOING", True)
    monkeypatch.setattr(TARGET, "CORPUS", tmp_path / "corpus")
    (tmp_path / "corpus").mkdir()
    longer = GOOD + WIRE.written([WIRE.Field(6, 2, b"a document")])
    for data in (longer, GOOD, longer):
        TARGET.check(data)
    ((record, path),) = TARGET.collected(tmp_path)
    assert record["key"] == "facts: opsets"
    assert record["count"] == 3
    assert path.read_bytes() == GOOD
    assert not TARGET.finish(tmp_path)
    assert [path.name for path in (tmp_path / "corpus").iterdir()] == [f"crash-{TARGET.name_of(GOOD)}"]


def test_what_is_only_told_ends_no_run(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(TARGET, "CORPUS", tmp_path / "corpus")
    (tmp_path / "corpus").mkdir()
    for kind in TARGET.TOLD:
        TARGET.collect(GOOD, TARGET.Disagreement(kind=kind, message="as it is"), tmp_path)
    assert TARGET.finish(tmp_path)
    assert capsys.readouterr().out.count("| as it is") == len(TARGET.TOLD)
    assert [path.name for path in (tmp_path / "corpus").iterdir()] == [f"ends-{TARGET.name_of(GOOD)}"]


def test_names_and_numbers_do_not_make_a_kind():
    def key(message):
        return TARGET.Disagreement(kind="onnx refuses", message=message).key

    assert key("Field 'shape' of 'type' is required but missing.") != key("Field 'name' of 'type' is required but missing.")
    assert key("Graph output 'x' is not an output\nmore") == key("Graph output 'other' is not an output\nelse")
    assert key("No Op registered for Add with domain_version of 17") == key("No Op registered for B with domain_version of 2")


def loaded(summary, **values):
    seen = [[spec.name, f"tensor({spec.type.element})", list(spec.type.shape or ())] for spec in summary.inputs]
    given = [[spec.name, f"tensor({spec.type.element})", list(spec.type.shape or ())] for spec in summary.outputs]
    return RUNTIME.Loaded(**{"inputs": seen, "outputs": given} | values)


def test_another_interface_in_the_runtime_is_a_disagreement(summary):
    def told(**values):
        return kinds(TARGET.against_runtime(summary, loaded(summary, **values)))

    (name, type_, shape) = loaded(summary).inputs[0]
    assert told() == []
    assert told(inputs=[["other", type_, shape]]) == ["runtime: names of inputs"]
    assert told(inputs=[[name, "tensor(int8)", shape]]) == ["runtime: an input"]
    assert told(inputs=[[name, type_, [*shape, 1]]]) == ["runtime: an input"]
    assert told(outputs=[]) == ["runtime: names of outputs"]
    (name, type_, shape) = loaded(summary).outputs[0]
    assert told(outputs=[[name, "tensor(int8)", shape]]) == [TARGET.FALSE_OUTPUT]
    assert told(outputs=[[name, type_, [*shape, 1]]]) == [TARGET.FALSE_OUTPUT]
    assert told(inputs=None, outputs=None, refused="no") == []


@pytest.mark.parametrize(
    ("declared", "seen", "of_input", "of_output"),
    [
        ((2, "n"), [2, "n"], True, True),
        ((2, "n"), [2, "m"], False, False),
        ((2, 3), [2, 4], False, False),
        ((2, 3), [2, None], False, True),  # inference contradicts
        ((2, None), [2, 3], False, True),  # inference knows more
        ((2, 3), [], False, True),
        (None, [], True, True),
        (None, [1], False, True),
        ((2,), [2, 2], False, False),
    ],
)
def test_shapes_are_the_same_where_they_were_declared(declared, seen, of_input, of_output):
    spec = ValueSpec(name="v", type=TypeSpec(kind=ValueKind.TENSOR, element="float", shape=declared))
    assert TARGET.same_shape(spec, seen, exactly=True) == of_input
    assert TARGET.same_shape(spec, seen, exactly=False) == of_output


def test_the_end_of_a_worker_is_told_unless_it_was_foreseen(summary):
    ended = RUNTIME.Loaded(ended="SIGSEGV while running")
    assert kinds(TARGET.ends(summary, ended)) == [TARGET.WORKER_ENDS]
    misused = TARGET.accepted(LEAST)
    assert TARGET.ends(misused, ended) == []
    memory = RUNTIME.Loaded(run="std::bad_alloc")
    assert kinds(TARGET.ends(summary, memory)) == [TARGET.WORKER_ENDS]
    assert TARGET.ends(misused, memory) == []


def test_a_run_that_is_known_to_take_long_is_left_alone(summary, monkeypatch):
    monkeypatch.setattr(TARGET, "runtime", lambda: pytest.fail("a worker was asked"))
    for change in ({"operations": 10**12}, {"steps": 10**9}):
        changed = replace(summary, bounds=replace(summary.bounds, **change))
        monkeypatch.setattr(TARGET, "accepted", lambda _, changed=changed: changed)
        assert TARGET.disagreements(GOOD, load=True) == []


def test_the_library_is_stopped_when_it_takes_too_long(monkeypatch):
    library = LIBRARY.Library(seconds=20.0)
    try:
        assert library.ask(GOOD, check=True).facts is not None
        monkeypatch.setattr(library, "_seconds", 0.2)
        os.kill(library._process.pid, signal.SIGSTOP)
        assert library.ask(GOOD, check=True).ended.startswith("no answer")
        monkeypatch.setattr(library, "_seconds", 20.0)
        assert library.ask(GOOD, check=True).facts is not None
        library._process.kill()
        assert library.ask(GOOD, check=True).ended.startswith("the library ended")
    finally:
        library.close()


@pytest.mark.linux
@pytest.mark.skipif(sys.platform != "linux", reason="needs the sandbox")
def test_the_runtime_goes_on_after_a_worker_that_died():
    runtime = RUNTIME.Runtime()
    try:
        assert runtime.load(GOOD).outputs is not None
        assert runtime.load(b"no model").refused
        runtime.load(LEAST)  # whether dividing the least number by minus one ends a worker is the processor's to say
        assert runtime.load(GOOD).run == ""
    finally:
        runtime.close()


def test_a_model_is_written_as_it_was_read():
    for path in CORPUS:
        tree = TREE.parsed(path.read_bytes(), TREE.schema.MODEL)
        if path.suffix == ".onnx":
            assert WIRE.written(tree) == path.read_bytes()
