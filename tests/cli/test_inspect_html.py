"""``inspect --html``: one file, whole or not at all, over nothing but an earlier report, and an exit code that fails closed."""

import os
import re

import pytest
from making import make_key, make_package, write_model, write_policy

from mlsign.actions.signing.sign import sign


@pytest.fixture(autouse=True)
def place(tmp_path):
    pair = make_key()
    write_policy(tmp_path, {"release": (1, [pair.public])})
    write_policy(tmp_path, {"release": (1, [pair.public])}, name="audit.yaml", rest="mode: audit\n")
    write_model(tmp_path / "m.onnx", external="m.bin")
    (tmp_path / "link").symlink_to(tmp_path / "pkg")
    make_package(tmp_path, name="unsigned-1.0.0")
    make_package(tmp_path, name="pkg", signers=[pair])
    return tmp_path


def kept(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".seen" not in path.parts}


def test_it_writes_one_page_and_says_so(run, place):
    done = run("inspect", "--html", "report.html", "m.onnx")
    assert (done.code, done.out, done.err) == (0, "", "mlsign: report.html written\n")
    page = (place / "report.html").read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert page.endswith("</html>\n")
    assert "Not verified" in page
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert os.stat(place / "report.html").st_mode & 0o777 == 0o644
    assert [path.name for path in place.iterdir() if path.name.startswith(".report")] == []


def test_quiet_says_nothing(run, place):
    assert run("inspect", "--html", "report.html", "m.onnx", "--quiet").err == ""
    assert (place / "report.html").exists()


@pytest.mark.parametrize(
    ("package", "policy", "code", "words"),
    [
        ("pkg", "policy.yaml", 0, "Allowed by the policy tests"),
        ("link", "policy.yaml", 0, "Allowed by the policy tests"),
        ("unsigned-1.0.0", "policy.yaml", 1, "Denied by the policy tests"),
        ("m.onnx", "policy.yaml", 1, "Denied by the policy tests"),
        ("unsigned-1.0.0", "audit.yaml", 0, "Would be denied by the policy tests"),
    ],
)
def test_with_a_policy_the_exit_code_is_the_decision(run, place, package, policy, code, words):
    assert run("inspect", "--html", "report.html", package, "--policy", policy).code == code
    assert words in (place / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    "output",
    [
        *("m.onnx", "./m.onnx", "m.bin", "policy.yaml", "pkg/mlsign.json", "pkg/report.html", "link/report.html"),
        *("pkg/signatures/report.html", "keys/release-0.pub", "pkg", ".", "nowhere/report.html", "fifo", "lead", "", "-"),
    ],
)
@pytest.mark.parametrize("subject", ["m.onnx", "pkg"])
def test_nothing_is_written_over_or_into(run, place, output, subject):
    os.mkfifo(place / "fifo")
    (place / "lead").symlink_to(place / "m.onnx")
    before = kept(place)
    done = run("inspect", "--html", output, subject, "--policy", "policy.yaml")
    assert done.code in (2, 3, 4)
    assert kept(place) == before


def test_an_earlier_report_is_replaced_and_never_outlives_a_run_that_fails(run, place):
    assert run("inspect", "--html", "report.html", "pkg", "--policy", "policy.yaml").code == 0
    first = (place / "report.html").read_bytes()
    assert run("inspect", "--html", "report.html", "m.onnx").code == 0
    assert (place / "report.html").read_bytes() != first
    (place / "bad.yaml").write_text("nonsense: true\n")
    (place / "broken.onnx").write_bytes(b"\x80\x04pickled")
    for words in (("pkg", "--policy", "bad.yaml"), ("broken.onnx",), ("none.onnx",)):
        assert run("inspect", "--html", "report.html", "m.onnx").code == 0
        assert run("inspect", "--html", "report.html", *words).code == 3
        assert not (place / "report.html").exists()


def test_other_ways_to_look_exclude_it(run, place):
    for words in (("--findings",), ("--text",), ("--card",), ("--format", "json")):
        done = run("inspect", "--html", "report.html", "m.onnx", *words)
        assert done.code == 2
        assert not (place / "report.html").exists()


def test_a_disk_that_is_full_leaves_nothing_half_written(run, place):
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    before = kept(place)
    assert run("inspect", "--html", "/dev/full", "m.onnx").code in (2, 4)
    assert kept(place) == before


def test_the_release_before_is_compared(run, place):
    assert run("pack", "m.onnx", "-o", "unsigned-1.3.0", "--previous", "unsigned-1.0.0").code == 0
    done = run("inspect", "--html", "report.html", "unsigned-1.3.0", "--previous", "unsigned-1.0.0")
    assert (done.code, done.err) == (0, "mlsign: report.html written\n")
    assert "the release before" in (place / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("m.onnx", "--previous", "pkg"), 3, "has no manifest"),
        (("pkg", "--previous", "m.onnx"), 3, "not a package"),
        (("pkg", "--previous", "nothing"), 3, "nothing"),
        (("pkg", "--previous", "spoilt"), 3, "cannot be taken for the release before: MLS"),
    ],
)
def test_what_cannot_be_compared_is_an_error_and_no_page(run, place, words, code, said):
    make_package(place, name="spoilt")
    (place / "spoilt" / "MODEL_CARD.md").write_text("another")
    done = run("inspect", "--html", "report.html", *words)
    assert done.code == code
    assert said in done.err
    assert not (place / "report.html").exists()


def test_previous_without_a_page_is_refused(run, place):
    for more in ((), ("--findings",), ("--text",), ("--card",)):
        done = run("inspect", "pkg", "--previous", "unsigned-1.0.0", *more)
        assert (done.code, done.out) == (2, "")
        assert "--previous is for --html" in done.err


def test_no_page_is_written_into_the_release_before(run, place):
    done = run("inspect", "--html", "pkg/report.html", "unsigned-1.0.0", "--previous", "pkg")
    assert done.code == 2
    assert not (place / "pkg" / "report.html").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("inspect", "--html", "pkg/report.html", "unsigned-1.0.0", "--previous", "pkg"),
        ("diff", "unsigned-1.0.0", "pkg", "--format", "html", "--output", "pkg/report.html"),
        ("diff", "pkg", "unsigned-1.0.0", "--format", "html", "--output", "pkg/report.html"),
    ],
)
def test_a_report_that_is_part_of_a_package_stays_there(run, place, words):
    """One that was packed is signed: taking it away would break the package."""
    assert run("inspect", "--html", "report.html", "m.onnx").code == 0
    (place / "report.html").rename(place / "pkg" / "report.html")
    assert run(*words).code == 2
    assert (place / "pkg" / "report.html").exists()


def test_packages_that_share_files_take_their_store(run, place):
    pair, store = make_key(), place / "store"
    write_policy(place, {"release": (1, [pair.public])}, name="shared.yaml")
    (place / "shared.bin").write_bytes(bytes(2 << 20))
    include = (place / "shared.bin",)
    before = make_package(place, name="fraud-1.0.0", store=store, include=include)
    after = make_package(place, name="fraud-1.1.0", store=store, include=include, previous=before)
    sign(after, pair.signer, store=store)
    argv = ("inspect", "--html", "report.html", "fraud-1.1.0", "--policy", "shared.yaml")
    assert run(*argv).code == 1
    assert run(*argv, "--store", "store", "--previous", "fraud-1.0.0").code == 0
    named = run("inspect", "--html", "report.html", "fraud-1.1.0", "--previous", "fraud-1.0.0")
    assert (named.code, "name the store that it is of" in named.err) == (3, True)
    idle = run("inspect", "--html", "report.html", "fraud-1.1.0", "--store", "store")
    assert (idle.code, "--store is for --html with --policy or --previous" in idle.err) == (2, True)
