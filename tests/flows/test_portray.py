"""Portraits: judged as verify and inspect --findings judge, and of files that stayed what they were."""

import os
import resource
import shutil
import threading
from pathlib import Path

import numpy as np
import onnx
import pytest
from making import WEIGHTS, make_package, write_model, write_policy
from onnx import TensorProto, helper, numpy_helper

from mlsign.actions.inspection import weights as page_weights
from mlsign.actions.inspection.findings import FindRequest, find
from mlsign.actions.inspection.portray import PortrayRequest, portray
from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.verification.verify import VerifyRequest, verify
from mlsign.errors import InputError
from mlsign.policy.model import Verdict
from mlsign.report.html.portrait import render_portrait


@pytest.fixture(scope="module")
def loaded(tmp_path_factory, keys):
    folder = tmp_path_factory.mktemp("policy")
    return load_policy(write_policy(folder, {"release": (1, [keys.release.public])}))


def look(path: Path, policy=None, *, advance=None):
    request = PortrayRequest(verify=None if policy is None else VerifyRequest(policy=policy))
    portrait = portray(path, request, advance=advance)
    return portrait, render_portrait(portrait)


def test_a_bare_model_is_judged_as_a_scan_judges_it(tmp_path):
    model = write_model(tmp_path / "m.onnx")
    portrait, page = look(model)
    (found,) = find(model, FindRequest()).models
    assert (portrait.verdict, portrait.findings) == (found.verdict, found.findings)
    assert portrait.report is None
    assert "Not verified: no signature was checked" in page
    assert "Nobody claims to have signed it" in page
    assert 'class="verdict good"' not in page


def test_a_package_that_nobody_verified_shows_claims_and_says_so(good_package):
    portrait, page = look(good_package)
    assert len(portrait.signers) == 2
    assert "Not verified: no signature was checked" in page
    assert "Signers, as claimed" in page
    assert "not checked" in page
    assert 'class="verdict good"' not in page


def test_with_a_policy_the_decision_is_that_of_verify(good_package, loaded):
    portrait, page = look(good_package, loaded)
    report = verify(good_package, VerifyRequest(policy=loaded, now=portrait.now))
    assert portrait.report.decision == report.decision
    assert portrait.verdict is Verdict.ALLOW
    assert "Allowed by the policy tests" in page
    assert "Signers that count" in page
    assert "Signatures that were not counted" in page, "the second signer is a stranger to this policy"


@pytest.mark.parametrize("spoil", ["unsigned", "changed", "weights", "extra"])
def test_what_verify_denies_is_denied(package, loaded, spoil):
    match spoil:
        case "unsigned":
            shutil.rmtree(package / "signatures")
        case "changed":
            (package / "MODEL_CARD.md").write_text("other")
        case "weights":
            data = bytearray((package / "fraud.onnx.data").read_bytes())
            data[0] ^= 1
            (package / "fraud.onnx.data").write_bytes(data)
        case "extra":
            (package / "extra.py").write_text("import os")
    portrait, page = look(package, loaded)
    assert portrait.verdict is Verdict.DENY
    assert "Denied by the policy tests" in page
    assert 'class="verdict bad"' in page
    assert 'class="verdict good"' not in page


def test_audit_mode_says_what_would_have_been(package, keys, tmp_path):
    shutil.rmtree(package / "signatures")
    policy = load_policy(write_policy(tmp_path / "audit", {"release": (1, [keys.release.public])}, rest="mode: audit\n"))
    _, page = look(package, policy)
    assert "Would be denied by the policy tests" in page
    assert "it reports, and stops nothing" in page
    assert 'class="verdict good"' not in page


def test_concessions_stand_at_the_top_of_an_allowance(good_package, keys, tmp_path):
    groups = {"release": (1, [keys.release.public])}
    digest = verify(good_package, VerifyRequest(policy=load_policy(write_policy(tmp_path / "one", groups)))).evidence.digest
    rest = f"exceptions: [{{digest: '{digest}', findings: [MLS301], reason: 'INC-4711 <b>', until: 2999-01-01T00:00:00Z}}]\n"
    portrait, page = look(good_package, load_policy(write_policy(tmp_path / "two", groups, allow="[ml-v1]", rest=rest)))
    assert portrait.verdict is Verdict.ALLOW
    assert "The decision rests on concessions" in page
    assert "INC-4711 &lt;b&gt;" in page


def test_golden_data_that_was_replayed_is_told(good_package, keys, tmp_path):
    rest = "golden: {required: true, replay: true}\n"
    policy = load_policy(write_policy(tmp_path, {"release": (1, [keys.release.public])}, rest=rest))
    portrait, page = look(good_package, policy)
    assert portrait.report.evidence.replay
    assert "within tolerance" in page
    assert "ULPs" in page


def test_golden_data_that_nobody_replayed_is_told_as_that(good_package, loaded):
    for policy in (None, loaded):
        assert "The model was not run on it for this report" in look(good_package, policy)[1]


@pytest.mark.parametrize("name", ["fraud.onnx.data", "model.onnx", "mlsign.json", "MODEL_CARD.md"])
@pytest.mark.parametrize("judged", [True, False])
def test_there_is_no_portrait_of_what_changes_meanwhile(package, loaded, name, judged):
    """What was verified and what is drawn must be the same bytes: a swap between the two ends in an error."""
    path = package / name

    def swap(_: int) -> None:
        other = package.parent / f"other-{threading.get_ident()}"
        other.write_bytes(path.read_bytes())
        os.replace(other, path)

    with pytest.raises(InputError) as caught:
        look(package, loaded if judged else None, advance=swap)
    assert caught.value.code == "file.changed"


def test_a_model_that_was_moved_there_and_back_is_not_what_was_judged(package, loaded):
    """Whoever owns the folder shows one model while it is verified, and the first one again at the end."""
    model, aside = package / "model.onnx", package.parent / "aside"

    def swap(_: int) -> None:
        if not aside.exists():
            model.rename(aside)
            shutil.copyfile(aside, model)
            aside.replace(model)
            aside.touch()

    with pytest.raises(InputError) as caught:
        look(package, loaded, advance=swap)
    assert caught.value.code == "file.changed"


def test_a_model_that_cannot_be_read_is_denied_and_has_no_graph(package, loaded):
    next(package.glob("*.onnx")).write_bytes(b"\x80\x04pickled")
    portrait, page = look(package, loaded)
    assert (portrait.summary, portrait.structure, portrait.weights) == (None, None, None)
    assert "There is no graph to be shown" in page
    assert "Denied by" in page


def test_a_bare_file_that_is_no_model_has_no_portrait(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"\x80\x04pickled")
    with pytest.raises(InputError):
        look(tmp_path / "m.onnx")


def external(folder: Path, entries, *, size: int = 48) -> Path:
    """A model with tensors that say where their bytes are; each is a name, a location and an offset."""
    tensors = []
    for name, location, offset in entries:
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[4, 3], data_location=TensorProto.EXTERNAL)
        for key, value in (("location", location), ("offset", str(offset)), ("length", str(size))):
            tensor.external_data.add(key=key, value=value)
        tensors.append(tensor)
    nodes = [helper.make_node("Gemm", ["x", name], [f"y{at}"]) for at, (name, *_) in enumerate(entries)]
    value = helper.make_tensor_value_info
    outputs = [value(f"y{at}", TensorProto.FLOAT, None) for at in range(len(entries))]
    graph = helper.make_graph(nodes, "g", [value("x", TensorProto.FLOAT, ["n", 4])], outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_are_what_numpy_says_wherever_they_lie(tmp_path):
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes())
    portrait, page = look(external(tmp_path, [("W", "w.bin", 0)]))
    (weight,) = portrait.weights.measured
    assert weight.statistics.mean == pytest.approx(float(WEIGHTS.mean()))
    assert (weight.statistics.minimum, weight.statistics.maximum) == (float(WEIGHTS.min()), float(WEIGHTS.max()))
    assert sum(weight.statistics.histogram.counts) == WEIGHTS.size
    assert 'class="histogram"' in page


def test_no_link_is_followed_and_no_pipe_is_opened_for_weights(tmp_path, no_hang):
    (tmp_path / "secret").write_bytes(WEIGHTS.tobytes())
    (tmp_path / "link.bin").symlink_to("secret")
    (tmp_path / "folder").mkdir()
    (tmp_path / "door").symlink_to("folder")
    (tmp_path / "folder" / "w.bin").write_bytes(WEIGHTS.tobytes())
    os.mkfifo(tmp_path / "pipe.bin")
    places = ["link.bin", "door/w.bin", "pipe.bin", "../secret", "/etc/passwd", "none.bin", "folder"]
    portrait, page = look(external(tmp_path, [(f"W{at}", place, 0) for at, place in enumerate(places)]))
    assert [weight.statistics for weight in portrait.weights.measured] == [None] * len(places)
    assert page.count("not read") >= len(places)
    assert portrait.verdict is Verdict.DENY


def test_bytes_that_many_tensors_take_are_read_once(tmp_path):
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes() + b"\0" * 8)
    told: list[int] = []
    tied = look(external(tmp_path, [(f"T{at}", "w.bin", 0) for at in range(50)]), advance=told.append)[0]
    assert told == [48]
    assert all(weight.statistics is not None for weight in tied.weights.measured)
    told.clear()
    overlapping = look(external(tmp_path, [(f"O{at}", "w.bin", at % 3 * 4) for at in range(50)]), advance=told.append)[0]
    room = (tmp_path / "w.bin").stat().st_size + (tmp_path / "m.onnx").stat().st_size
    assert sum(told) <= room
    assert all(weight.statistics is not None or weight.problem for weight in overlapping.weights.measured)


def test_files_of_tensors_that_nobody_measures_stay_closed(tmp_path, monkeypatch):
    """Of a file for each tensor there may be more than a process may have open."""
    monkeypatch.setattr(page_weights, "MAX_MEASURED", 8)
    for at in range(64):
        (tmp_path / f"w{at}.bin").write_bytes(WEIGHTS.tobytes())
    path = external(tmp_path, [(f"T{at}", f"w{at}.bin", 0) for at in range(64)])
    free = os.dup(0)
    os.close(free)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 32, before[1]))
    try:
        portrait, _ = look(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert [weight.statistics is not None for weight in portrait.weights.measured] == [True] * 8
    assert portrait.weights.left_out == 56


def test_no_more_is_read_than_a_report_is_worth(tmp_path, monkeypatch):
    """A sparse file of a hundred gigabytes takes no room on a disk, and minutes to be read."""
    monkeypatch.setattr(page_weights, "MAX_READ_BYTES", 60)
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes() * 3)
    told: list[int] = []
    portrait, page = look(external(tmp_path, [("A", "w.bin", 0), ("B", "w.bin", 48), ("C", "w.bin", 0)]), advance=told.append)
    assert told == [48]
    assert [weight.statistics is not None for weight in portrait.weights.measured] == [True, False, True]
    assert "a report reads no more than 60 B of weights" in page
    monkeypatch.setattr(page_weights, "MAX_READ_BYTES", 11)
    inside = helper.make_graph([], "g", [], [], [numpy_helper.from_array(np.ones(3, np.float32), "w")])
    (tmp_path / "inside.onnx").write_bytes(helper.make_model(inside).SerializeToString())
    assert "a report reads no more than 11 B of weights" in look(tmp_path / "inside.onnx")[1]


def test_what_trees_have_learnt_stands_in_attributes(tmp_path):
    node = helper.make_node("Thing", ["x"], ["y"], domain="d", f=[0.5] * 40, i=list(range(40)), short=[1.0] * 3)
    value = helper.make_tensor_value_info
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(np.array([2.0], np.float32), "sp"), numpy_helper.from_array(np.array([1]), "at"), [4]
    )
    const = helper.make_node("Constant", [], ["c"], sparse_value=sparse)
    plain = helper.make_node("Constant", [], ["k"], value=numpy_helper.from_array(np.array([1.0, np.nan, np.inf], np.float32)))
    body = helper.make_graph([plain], "b", [], [value("k", TensorProto.FLOAT, [3])])
    branch = helper.make_node("If", ["x"], ["z"], then_branch=body, else_branch=body)
    graph = helper.make_graph(
        [node, const, branch], "g", [value("x", TensorProto.BOOL, [])], [value("y", TensorProto.FLOAT, None)]
    )
    path = tmp_path / "m.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())
    portrait, page = look(path)
    found = {(weight.record.name, weight.home): weight for weight in portrait.weights.measured}
    assert set(found) == {
        ("i", "Thing in main graph"),
        ("f", "Thing in main graph"),
        ("sp", "sparse in Constant in main graph"),
        ("k", "Constant in then_branch of If"),
        ("k", "Constant in else_branch of If"),
    }
    assert found["i", "Thing in main graph"].statistics.maximum == 39
    assert "1 NaN" in page
    assert "1 infinite" in page


def test_long_attributes_and_constants_of_functions_are_weights_too(tmp_path):
    constant = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.full(3, 7.0, np.float32)))
    function = helper.make_function("d", "F", [], ["c"], [constant], [helper.make_opsetid("", 17)])
    node = helper.make_node("Thing", ["x"], ["y"], domain="d", f=[0.25] * 40_000, i=list(range(-5, 40_000)))
    value = helper.make_tensor_value_info
    graph = helper.make_graph([node], "g", [value("x", TensorProto.FLOAT, [])], [value("y", TensorProto.FLOAT, None)])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("d", 1)]
    path = tmp_path / "m.onnx"
    path.write_bytes(helper.make_model(graph, functions=[function], opset_imports=opsets, ir_version=8).SerializeToString())
    found = {weight.record.name: weight.statistics for weight in look(path)[0].weights.measured}
    assert (found["f"].count, found["f"].mean) == (40_000, 0.25)
    assert (found["i"].count, found["i"].minimum, found["i"].maximum) == (40_005, -5, 39_999)
    assert found["c"].mean == 7.0


def test_the_smallest_tensors_of_very_many_are_left_out_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(page_weights, "MAX_MEASURED", 2)
    tensors = [numpy_helper.from_array(np.zeros(size, np.float32), f"t{size}") for size in (3, 9, 1, 7)]
    nodes = [helper.make_node("Sum", [tensor.name for tensor in tensors], ["y"])]
    graph = helper.make_graph(nodes, "g", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], tensors)
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    portrait, page = look(path)
    assert [weight.record.name for weight in portrait.weights.measured] == ["t9", "t7"]
    assert portrait.weights.left_out == 2
    assert "2 smaller tensors not measured" in page


def test_the_release_before_is_named(tmp_path, keys):
    from mlsign.actions.packing.pack import PackRequest, pack

    before = make_package(tmp_path / "one", name="fraud-1.2.0", signers=[keys.release])
    model = write_model(tmp_path / "two" / "fraud.onnx", scale=2.0)
    after = pack(PackRequest(model=model, output=tmp_path / "fraud-1.3.0", previous=before)).path
    assert "Release before" in look(after)[1]
