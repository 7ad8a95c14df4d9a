"""Scanning: models, packages and folders as they are found in the world, and what an attacker puts in their place."""

import os
import pickle
import shutil
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import onnx
import pytest
from making import linear_model, make_package, write_model, write_policy
from processes import open_descriptors

import mlsign
from mlsign.actions.inspection import findings as scanning
from mlsign.actions.inspection.findings import FindRequest, Found, FoundModel, Summaries, find, load_model_policy
from mlsign.evidence.findings import Finding, Outcome
from mlsign.limits import Limits
from mlsign.policy.model import Verdict

pytestmark = pytest.mark.usefixtures("no_hang")


@pytest.fixture(scope="module")
def policy():
    return load_model_policy()


@pytest.fixture
def scan(policy) -> Callable[..., Found]:
    return lambda path, **more: find(Path(path), FindRequest(policy=policy, **more))


def codes(model: FoundModel) -> list[str]:
    assert (model.verdict is Verdict.ALLOW) == (not model.wrong)
    return [finding.code for finding in model.wrong]


def only(found: Found) -> FoundModel:
    (model,) = found.models
    assert found.verdict is model.verdict
    return model


def by_path(found: Found) -> dict[str, list[str]]:
    assert [model.path for model in found.models] == sorted(model.path for model in found.models)
    return {model.path: codes(model) for model in found.models}


# models


def test_a_clean_model(scan, tmp_path):
    path = write_model(tmp_path / "m.onnx")
    found = scan(path)
    model = only(found)
    assert (found.verdict, found.is_folder, found.path, found.links) == (Verdict.ALLOW, False, str(path), ())
    assert (model.path, model.size, codes(model)) == ("m.onnx", path.stat().st_size, [])
    assert model.summary is not None
    assert {finding.code for finding in model.findings} >= {"MLS301", "MLS307", "MLS410"}
    assert scan(path, summaries=Summaries.DROP).models[0].summary is None


def test_the_shipped_baseline_is_what_judges_by_default(tmp_path):
    found = find(write_model(tmp_path / "m.onnx"), FindRequest())
    assert (found.policy.name, found.policy.signers) == ("baseline", ())
    assert found.verdict is Verdict.ALLOW


def test_any_name_will_do_for_a_file_that_is_named(scan, tmp_path):
    assert codes(only(scan(write_model(tmp_path / "weights.bin")))) == []


def test_a_policy_of_ones_own_needs_no_keys(tmp_path):
    policy = write_policy(tmp_path / "p", {"release": (1, [b"no key at all"])}, allow="['ai.onnx:MatMul']")
    shutil.rmtree(tmp_path / "p" / "keys")
    found = find(write_model(tmp_path / "m.onnx"), FindRequest(policy=load_model_policy(policy)))
    assert codes(only(found)) == ["MLS301"]
    with pytest.raises(mlsign.InputError, match="policy"):
        load_model_policy(tmp_path / "gone.yaml")


def test_audit_mode_stops_nothing_and_finds_the_same(tmp_path):
    policy = write_policy(tmp_path / "p", {"r": (1, [b"x"])}, allow="['ai.onnx:MatMul']", rest="mode: audit\n")
    found = find(write_model(tmp_path / "m.onnx"), FindRequest(policy=load_model_policy(policy)))
    assert (found.verdict, found.enforced_verdict) == (Verdict.DENY, Verdict.ALLOW)


@pytest.mark.parametrize(
    ("content", "code", "cause"),
    [
        (pickle.dumps({"x": 1}), "MLS320", "onnx.magic.pickle"),
        (pickle.dumps({"x": 1}, 0), "MLS320", "onnx.magic.pickle"),
        (b"PK\x03\x04" + bytes(60), "MLS321", "onnx.magic.zip"),
        (b"\x20\0\0\0ORTM" + bytes(60), "MLS322", "onnx.magic.ort"),
        (b"", "MLS323", "onnx.empty"),
        (b"#!/bin/sh\nrm -rf /\n", "MLS324", "onnx.magic.text"),
        (b"\x08\x08\xff", "MLS325", "onnx.wire.truncated"),
    ],
)
@pytest.mark.parametrize("name", ["m.onnx", "m.ort", "M.ONNX"])
def test_what_is_no_model_is_one_finding(scan, tmp_path, content, code, cause, name):
    (tmp_path / name).write_bytes(content)
    for path in (tmp_path / name, tmp_path):
        model = only(scan(path))
        assert codes(model) == [code]
        assert cause == model.wrong[0].cause
        assert (model.summary, model.size, model.verdict) == (None, len(content), Verdict.DENY)


def test_problems_and_operators_are_found_at_once(scan, tmp_path):
    model = linear_model()
    model.graph.node[0].domain = "com.acme"
    model.opset_import.append(onnx.helper.make_opsetid("com.acme", 1))
    model.metadata_props.add(key="ort_config", value="{}")
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert codes(only(scan(tmp_path))) == ["MLS303", "MLS338"]


# what lies beside a model


def point_at(path: Path, location: str) -> None:
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    path.write_bytes(model.SerializeToString())


def with_weights(folder: Path, location: str = "w.bin") -> Path:
    """A model that takes its weights from ``location``, which is there as it should be."""
    path = write_model(folder / "m.onnx", external="w.bin")
    point_at(path, location)
    if location != "w.bin":
        target = folder / location
        target.parent.mkdir(parents=True, exist_ok=True)
        (folder / "w.bin").rename(target)
    return path


def test_weights_in_order(scan, tmp_path):
    for location in ("w.bin", "deep/er/w.bin"):
        path = with_weights(tmp_path / location.replace("/", "-"), location)
        assert codes(only(scan(path))) == []
        assert codes(only(scan(path.parent))) == []


def as_link(path: Path) -> None:
    path.rename(path.with_name("real"))
    path.symlink_to("real")


def as_link_to(target: str) -> Callable[[Path], None]:
    def put(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return put


def as_hard_link(path: Path) -> None:
    os.link(path, path.with_name("other name"))


def as_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def as_socket(path: Path) -> None:
    path.unlink()
    here = Path.cwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def as_nothing(path: Path) -> None:
    path.unlink()


def as_shorter(path: Path) -> None:
    os.truncate(path, 10)


NEIGHBOURS = [
    (as_link, "MLS318"),
    (as_link_to("/etc/passwd"), "MLS318"),
    (as_link_to("/dev/zero"), "MLS318"),
    (as_link_to("nowhere"), "MLS318"),
    (as_link_to("w.bin"), "MLS318"),
    (as_hard_link, "MLS313"),
    (as_fifo, "MLS319"),
    (as_socket, "MLS319"),
    (as_folder, "MLS319"),
    (as_nothing, "MLS311"),
    (as_shorter, "MLS315"),
]


@pytest.mark.parametrize(("put", "code"), NEIGHBOURS, ids=[str(i) for i in range(len(NEIGHBOURS))])
@pytest.mark.parametrize("location", ["w.bin", "deep/w.bin"])
def test_what_stands_in_place_of_weights(scan, tmp_path, put, code, location):
    path = with_weights(tmp_path / "x", location)
    put(path.parent / location)
    for subject in (path, path.parent):
        model = only(scan(subject))
        assert set(codes(model)) == {code}
        assert all(finding.outcome is Outcome.FAIL for finding in model.wrong)


def test_weights_behind_a_linked_folder(scan, tmp_path):
    path = with_weights(tmp_path / "x", "deep/w.bin")
    (tmp_path / "x" / "deep").rename(tmp_path / "elsewhere")
    (tmp_path / "x" / "deep").symlink_to(tmp_path / "elsewhere")
    assert codes(only(scan(path))) == ["MLS318"]
    assert "behind a symbolic link" in only(scan(path)).wrong[0].message
    found = scan(path.parent)
    assert (codes(only(found)), found.links) == (["MLS318"], ("deep",))


def test_weights_below_a_file_are_not_there(scan, tmp_path):
    path = with_weights(tmp_path / "x", "deep/w.bin")
    shutil.rmtree(tmp_path / "x" / "deep")
    (tmp_path / "x" / "deep").write_bytes(b"")
    assert codes(only(scan(path))) == ["MLS311"]


@pytest.mark.parametrize(
    "location", ["/etc/passwd", "../w.bin", "/proc/self/environ", "http://example.com/w", "*/_ORT_MEM_ADDR_/*"]
)
def test_a_location_outside_is_found_and_not_looked_at(scan, tmp_path, monkeypatch, location):
    path = with_weights(tmp_path / "x")
    point_at(path, location)
    monkeypatch.setattr(scanning, "look_at", lambda *_, **__: pytest.fail("looked"))
    assert "MLS310" in codes(only(scan(path)))


def test_a_model_among_very_many_files_costs_no_listing(scan, tmp_path, monkeypatch):
    path = with_weights(tmp_path)
    for number in range(50):
        (tmp_path / f"unrelated-{number}").symlink_to("/dev/zero")
    monkeypatch.setattr(os, "scandir", lambda *_: pytest.fail("listed"))
    monkeypatch.setattr(os, "listdir", lambda *_: pytest.fail("listed"))
    assert codes(only(scan(path, limits=Limits(max_files=1)))) == []


def test_only_the_model_is_opened(scan, tmp_path, monkeypatch):
    path = with_weights(tmp_path)
    opened = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda name, *a, **k: opened.append(str(name)) or real(name, *a, **k))
    scan(path)
    assert not any("w.bin" in name for name in opened)


def test_weights_that_may_not_be_seen_are_unknown(scan, tmp_path, monkeypatch):
    path = with_weights(tmp_path, "deep/w.bin")
    refuse(monkeypatch, "deep")
    (finding,) = only(scan(path)).wrong
    assert (finding.code, finding.outcome) == ("MLS311", Outcome.UNKNOWN)


def refuse(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Opening these is not permitted; the account that runs the tests may be one to which everything is."""
    real = os.open

    def opening(name, *args, **more):
        # Of a file that is opened as a folder the system says that it is none, before it looks at permissions.
        if os.path.basename(os.fspath(name)) in names and ("dir_fd" in more or os.path.isdir(name)):
            raise PermissionError(13, "Permission denied")
        return real(name, *args, **more)

    monkeypatch.setattr(os, "open", opening)


# folders


def test_folders_are_searched_to_the_bottom(scan, tmp_path):
    write_model(tmp_path / "b.onnx")
    write_model(tmp_path / "a" / "x.onnx", operator="Relu")
    write_model(tmp_path / "a" / "model.onnx" / "y.ONNX")
    write_model(tmp_path / ".hidden" / "z.Onnx")
    write_model(tmp_path / ".git" / "objects.onnx")
    write_model(tmp_path / "notes.txt")
    (tmp_path / "a.ort").write_bytes(b"\x20\0\0\0ORTM" + bytes(60))
    assert by_path(scan(tmp_path)) == {
        ".hidden/z.Onnx": [],
        "a.ort": ["MLS322"],
        "a/model.onnx/y.ONNX": [],
        "a/x.onnx": [],
        "b.onnx": [],
    }


def test_a_folder_without_models_is_an_error(scan, tmp_path):
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(mlsign.InputError, match="no ONNX model") as err:
        scan(tmp_path)
    assert err.value.code == "findings.none"
    with pytest.raises(mlsign.InputError) as err:
        scan(tmp_path / "gone")
    assert err.value.code == "package.missing"


def test_links_to_models_are_findings_and_not_followed(scan, tmp_path):
    model = write_model(tmp_path / "elsewhere" / "m.onnx")
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "link.onnx").symlink_to(model)
    (folder / "dangling.onnx").symlink_to("gone")
    (folder / "folder.onnx").symlink_to(tmp_path / "elsewhere")
    (folder / "folder").symlink_to(tmp_path / "elsewhere")
    (folder / "circle").symlink_to("circle")
    (folder / "words").symlink_to("/etc/passwd")
    found = scan(folder)
    assert by_path(found) == {"dangling.onnx": ["MLS104"], "folder.onnx": ["MLS104"], "link.onnx": ["MLS104"]}
    assert found.links == ("folder",)
    assert all(m.wrong[0].outcome is Outcome.UNKNOWN and "symbolic link" in m.wrong[0].message for m in found.models)
    assert codes(only(scan(folder / "link.onnx"))) == ["MLS104"]
    # A link to a folder may be named: it is resolved once, before anything is looked at.
    assert codes(only(scan(folder / "folder"))) == []


@pytest.mark.parametrize("put", [as_fifo, as_socket])
def test_special_files_in_place_of_a_model(scan, tmp_path, put):
    path = write_model(tmp_path / "x" / "m.onnx")
    put(path)
    for subject in (path, path.parent):
        model = only(scan(subject))
        assert (codes(model), model.size) == (["MLS104"], None)


def test_a_device_is_not_opened(scan):
    assert codes(only(scan("/dev/zero"))) == ["MLS104"]


def test_what_cannot_be_read_is_never_skipped(scan, tmp_path, monkeypatch):
    write_model(tmp_path / "good.onnx")
    write_model(tmp_path / "secret.onnx")
    write_model(tmp_path / "closed" / "m.onnx")
    make_package(tmp_path, name="shut")
    (tmp_path / "shut.source" / "fraud.onnx").unlink()
    refuse(monkeypatch, "secret.onnx", "closed", "mlsign.json")
    found = scan(tmp_path)
    assert by_path(found) == {
        "closed": ["MLS115"],
        "good.onnx": [],
        "secret.onnx": ["MLS115"],
        "shut/mlsign.json": ["MLS115"],
        "shut/model.onnx": [],
    }
    assert {f.outcome for m in found.models for f in m.wrong} == {Outcome.UNKNOWN}
    with pytest.raises(mlsign.OutsideError):
        scan(tmp_path / "closed")
    assert codes(only(scan(tmp_path / "secret.onnx"))) == ["MLS115"]


def test_a_file_that_goes_while_the_folder_is_listed(scan, tmp_path, monkeypatch):
    write_model(tmp_path / "m.onnx")

    class Gone:
        name = "gone.onnx"

        def is_dir(self, **_):
            return False

        def stat(self, **_):
            raise FileNotFoundError(2, "No such file or directory")

    real = os.scandir

    class Listing:
        def __init__(self, entries):
            self.entries = [*entries, Gone()]

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(os, "scandir", lambda fd: Listing(real(fd)))
    assert by_path(scan(tmp_path)) == {"gone.onnx": ["MLS115"], "m.onnx": []}


def test_a_folder_that_cannot_be_listed(scan, tmp_path, monkeypatch):
    write_model(tmp_path / "m.onnx")

    def fails(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "scandir", fails)
    with pytest.raises(mlsign.OutsideError, match="Input/output"):
        scan(tmp_path)


def test_too_many_files_and_too_deep_folders(scan, tmp_path):
    write_model(tmp_path / "m.onnx")
    for number in range(20):
        (tmp_path / f"n{number}").write_text("")
    with pytest.raises(mlsign.InputError, match="more than 20") as err:
        scan(tmp_path, limits=Limits(max_files=20))
    assert err.value.code == "findings.files"
    deep = tmp_path / "deep"
    os.makedirs(deep)
    here = os.getcwd()
    os.chdir(deep)
    try:
        for _ in range(140):
            os.mkdir("d")
            os.chdir("d")
    finally:
        os.chdir(here)
    found = scan(deep)
    assert codes(only(found)) == ["MLS115"]
    assert "deeper than 128" in found.models[0].wrong[0].message


def test_many_models(scan, tmp_path):
    model = write_model(tmp_path / "0.onnx").read_bytes()
    for number in range(1, 300):
        (tmp_path / f"{number}.onnx").write_bytes(model)
    (tmp_path / "bad.onnx").write_bytes(b"\x80\x04")
    seen = []
    found = find(tmp_path, FindRequest(), advance=lambda done, total: seen.append((done, total)))
    assert seen == [(number, 301) for number in range(1, 302)]
    assert [m.path for m in found.models if m.verdict is not Verdict.ALLOW] == ["bad.onnx"]


def test_a_folder_of_hostile_files_makes_no_endless_report(scan, tmp_path, monkeypatch):
    monkeypatch.setattr(scanning, "_MAX_KEPT", 8)
    for name in "abcd":
        write_model(tmp_path / f"{name}.onnx")
    model = linear_model()
    model.metadata_props.add(key="ort_config", value="{}")
    del model.graph.node[0].input[1:]
    model.graph.node[0].op_type = "Bernoulli"
    for name in ("x", "y"):
        (tmp_path / f"{name}.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "z.onnx").write_bytes(b"")
    found = scan(tmp_path)
    assert sum(len(m.findings) for m in found.models) < 8 + 2 * len(found.models)
    shown = by_path(found)
    assert [shown[f"{name}.onnx"] for name in "abcd"] == [[]] * 4
    assert shown["x.onnx"] == ["MLS301", "MLS301"]
    assert "more findings" in found.models[-2].wrong[1].message
    assert shown["z.onnx"] == ["MLS323"]


NAMES = [
    "a\nb.onnx",
    "\x1b[31mred.onnx",
    "\u202egnp.onnx",
    "模型.onnx",
    "e\u0301.onnx",
    " leading and trailing .onnx",
    "-rf.onnx",
    "nul.onnx",
    "back\\slash:colon?.onnx",
    os.fsdecode(b"not \xff utf-8.onnx"),
    "n" * 250 + ".onnx",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name(scan, tmp_path, name):
    for place in (tmp_path / name, tmp_path / f"d{name[:200]}" / name):
        place.parent.mkdir(exist_ok=True)
        write_model(place)
        assert only(scan(place)).path == name
        place.write_bytes(b"")
        (finding,) = only(scan(place)).wrong
        assert finding.code == "MLS323"
        assert all(char.isprintable() for char in finding.where + finding.message)
    assert set(by_path(scan(tmp_path))) == {name, f"d{name[:200]}/{name}"}


# packages


def test_a_package_is_judged_with_its_manifest(scan, package):
    model = only(scan(package))
    assert (model.path, codes(model)) == ("model.onnx", [])
    assert {"MLS110", "MLS308"} <= {finding.code for finding in model.findings}
    found = scan(package.parent)
    assert by_path(found) == {"fraud-1.2.0/model.onnx": []}
    # The file alone has no manifest.
    assert "MLS110" not in {finding.code for finding in only(scan(package / "model.onnx")).findings}


def test_a_manifest_gives_roles_and_says_what_the_model_is(scan, package, tmp_path):
    other = make_package(tmp_path, name="other-1.0.0", scale=2.0)
    shutil.copy(write_model(tmp_path / "relu.onnx", operator="Relu", external=None), package / "model.onnx")
    assert {"MLS110", "MLS308"} <= set(codes(only(scan(package))))
    manifest = (other / "mlsign.json").read_text()
    (other / "mlsign.json").write_text(manifest.replace('"role":"weights"', '"role":"other"'))
    assert set(codes(only(scan(other)))) == {"MLS307", "MLS312"}


def test_other_models_of_a_package_are_judged_too(scan, package):
    model = linear_model()
    del model.graph.node[0].input[1:]
    model.graph.node[0].op_type = "Bernoulli"
    (package / "docs").mkdir(exist_ok=True)
    (package / "docs" / "decoy.onnx").write_bytes(model.SerializeToString())
    shown = by_path(scan(package))
    assert shown["model.onnx"] == []
    assert "MLS301" in shown["docs/decoy.onnx"]


def test_a_manifest_that_cannot_be_read(scan, package):
    (package / "mlsign.json").write_text("{}")
    assert by_path(scan(package)) == {"mlsign.json": ["MLS109"], "model.onnx": []}
    (package / "mlsign.json").unlink()
    (package / "mlsign.json").symlink_to("/dev/zero")
    assert by_path(scan(package)) == {"mlsign.json": ["MLS109"], "model.onnx": []}


def test_a_package_without_its_model(scan, package):
    (package / "model.onnx").unlink()
    (finding,) = only(scan(package)).wrong
    assert (finding.code, finding.outcome) == ("MLS102", Outcome.FAIL)


# while it is scanned


@pytest.mark.parametrize(
    ("put", "code"),
    [
        (as_nothing, "MLS111"),
        (as_link_to("/etc/passwd"), "MLS104"),
        (as_link_to("/dev/zero"), "MLS104"),
        (as_fifo, "MLS104"),
        (as_folder, "MLS104"),
        (lambda path: path.write_bytes(b""), "MLS323"),
    ],
)
def test_a_model_that_is_swapped_before_it_is_read(policy, tmp_path, put, code):
    write_model(tmp_path / "a.onnx")
    later = write_model(tmp_path / "b.onnx")

    def advance(done: int, _: int) -> None:
        if done == 1:
            put(later)

    found = find(tmp_path, FindRequest(policy=policy), advance=advance)
    assert by_path(found) == {"a.onnx": [], "b.onnx": [code]}


@pytest.mark.parametrize("swap", ["folder gone", "folder a link"])
def test_a_folder_that_is_swapped_before_it_is_read(policy, tmp_path, swap):
    write_model(tmp_path / "x" / "a.onnx")
    write_model(tmp_path / "x" / "b" / "b.onnx")
    write_model(tmp_path / "elsewhere" / "b.onnx")

    def advance(done: int, _: int) -> None:
        if done == 1:
            shutil.rmtree(tmp_path / "x" / "b")
            if swap == "folder a link":
                (tmp_path / "x" / "b").symlink_to(tmp_path / "elsewhere")

    found = find(tmp_path / "x", FindRequest(policy=policy), advance=advance)
    assert by_path(found) == {"a.onnx": [], "b/b.onnx": ["MLS104" if swap == "folder a link" else "MLS111"]}


def test_a_model_that_changes_while_it_is_read(scan, tmp_path, monkeypatch):
    path = write_model(tmp_path / "m.onnx")
    real = scanning.summary_of

    def slow(*args, **more):
        answer = real(*args, **more)
        with path.open("ab") as file:
            file.write(b"\x08\x01")
        return answer

    monkeypatch.setattr(scanning, "summary_of", slow)
    model = only(scan(path))
    assert (codes(model), model.summary) == (["MLS111"], None)


def test_no_descriptor_is_left_open(scan, package, tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"")
    (tmp_path / "link.onnx").symlink_to("x")
    before = len(open_descriptors())
    for _ in range(3):
        scan(tmp_path)
        with pytest.raises(mlsign.InputError):
            scan(tmp_path, limits=Limits(max_files=2))
    assert len(open_descriptors()) == before


def test_a_finding_is_what_it_says(scan, tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"")
    assert only(scan(tmp_path)).wrong == (
        Finding(
            code="MLS323",
            outcome=Outcome.FAIL,
            message="the file is empty",
            where="m.onnx",
            cause="onnx.empty",
            hint="was the model written, or fetched, completely?",
        ),
    )


def test_audit_mode_ends_with_the_policy(tmp_path):
    ends = "mode: audit\nexpires: 2030-01-01T00:00:00Z\n"
    path = write_policy(tmp_path / "p", {"r": (1, [b"x"])}, allow="['ai.onnx:MatMul']", rest=ends)
    policy, model = load_model_policy(path), write_model(tmp_path / "m.onnx")
    before, end = datetime(2029, 12, 31, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    assert find(model, FindRequest(policy=policy, now=before)).enforced_verdict is Verdict.ALLOW
    assert find(model, FindRequest(policy=policy, now=end)).enforced_verdict is Verdict.DENY
