"""``mlsign inspect --text`` and ``--card`` as a person, git and a hub meet them."""

import json
import textwrap
from pathlib import Path

import onnx
import onnx.parser
import pytest
from making import linear_model, write_model
from onnx import helper
from running import Done
from structure_protos import normal

USAGE = 2
ROOT = Path(__file__).parents[2]


def packed(run, tmp_path, *more):
    write_model(tmp_path / "m.onnx")
    assert run("pack", "m.onnx", "-o", "fraud-1.2.0", "--license", "MIT", *more).code == 0


def test_text_of_a_model_is_read_back_by_onnx(run, tmp_path):
    write_model(tmp_path / "m.onnx")
    done = run("inspect", "--text", "m.onnx")
    assert done == Done(
        code=0,
        out="""# values of tensors of more than 10 elements are left out
<
  ir_version: 8,
  opset_import: ["": 17],
  producer_name: "tests"
>
linear (float[n, 4] x) => (float[n, 3] y)
<
  float[4, 3] W = {},  # 12 values left out, 48 B
  float[3] b = {0.5, -0.25, 0.125}
>
{
  y = Gemm (x, W, b)
}
""",
        err="",
    )
    assert normal(onnx.parser.parse_model(done.out)).graph.node == linear_model().graph.node


def test_the_page_shows_what_is_printed(run):
    page = (ROOT / "docs" / "inspecting.md").read_text(encoding="utf-8")
    shown = page.split("    $ mlsign inspect --text examples/iris/model.onnx\n")[1].split("\n\n")[0]
    assert run("inspect", "--text", ROOT / "examples" / "iris" / "model.onnx").out == textwrap.dedent(shown) + "\n"


def test_text_of_a_package_is_that_of_its_model(run, tmp_path):
    packed(run, tmp_path)
    assert run("inspect", "--text", "fraud-1.2.0") == run("inspect", "--text", "m.onnx")
    assert run("inspect", "--text", "-q", "fraud-1.2.0").out


def test_text_of_a_large_model_comes_whole(run, tmp_path):
    nodes = [helper.make_node("Neg", [f"v{i}"], [f"v{i + 1}"]) for i in range(25_000)]
    graph = helper.make_graph(nodes, "g", [], [helper.make_tensor_value_info("v25000", 1, None)])
    (tmp_path / "m.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    lines = run("inspect", "--text", "m.onnx").out.splitlines()
    assert [line for line in lines if "= Neg" in line] == [f"  v{i + 1} = Neg (v{i})" for i in range(25_000)]


def test_the_same_structure_has_the_same_text(run, tmp_path):
    write_model(tmp_path / "a.onnx", scale=1.0)
    write_model(tmp_path / "b.onnx", scale=2.0)
    assert run("inspect", "--text", "a.onnx") == run("inspect", "--text", "b.onnx")
    write_model(tmp_path / "b.onnx", operator="Relu")
    assert run("inspect", "--text", "a.onnx") != run("inspect", "--text", "b.onnx")


def test_a_card_of_a_package(run, tmp_path):
    packed(run, tmp_path)
    done = run("inspect", "--card", "fraud-1.2.0")
    assert done.code == 0
    assert done.out.startswith("---\nlicense: mit\nlibrary_name: onnx\n")
    assert "**Nothing on this card has been verified.**" in done.out
    assert "There is no signature in the package." in done.out


def test_a_card_names_claimed_signers_and_the_text_of_the_makers(run, tmp_path):
    (tmp_path / "README.md").write_text("# about")
    packed(run, tmp_path, "--include", "README.md")
    assert run("keygen", "-o", "release", "--no-password").code == 0
    assert run("sign", "fraud-1.2.0", "--key", "release.key").code == 0
    out = run("inspect", "--card", "fraud-1.2.0").out
    assert "claims to be by the key with the hint " in out
    assert "README.md`" in out


def test_a_bare_model_has_no_card(run, tmp_path):
    write_model(tmp_path / "m.onnx")
    done = run("inspect", "--card", "m.onnx")
    assert (done.code, done.out) == (3, "")
    assert "m.onnx: has no manifest, and a model card is made from it" in done.err
    assert "mlsign pack" in done.err


@pytest.mark.parametrize(
    "argv",
    [
        ("--text", "--card"),
        ("--text", "--findings"),
        ("--card", "--html", "x.html"),
        ("--text", "--html", "x.html"),
        ("--findings", "--html", "x.html"),
        ("--text", "--format", "json"),
        ("--card", "--format", "sarif"),
        ("--html", "x.html", "--format", "json"),
        ("--text", "--policy", "p.yaml"),
        ("--card", "--policy", "p.yaml"),
    ],
)
def test_what_does_not_go_together(run, tmp_path, argv):
    write_model(tmp_path / "m.onnx")
    done = run("inspect", "m.onnx", *argv)
    assert done.code == USAGE
    assert json.loads(done.out)["code"].startswith("usage.") if "json" in argv else done.out == ""
    assert done.err
    assert not (tmp_path / "x.html").exists()


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x80\x04N.", b"PK\x03\x04" + bytes(40), b"\x0a\xff\xff"])
def test_what_is_no_model_has_no_text(run, tmp_path, content):
    (tmp_path / "m.onnx").write_bytes(content)
    done = run("inspect", "--text", "m.onnx")
    assert (done.code, done.out) == (3, "")
    assert "m.onnx" in done.err


def test_paths_that_are_no_model(run, tmp_path):
    (tmp_path / "folder").mkdir()
    for path in ("nowhere", "folder"):
        for option in ("--text", "--card"):
            done = run("inspect", option, path)
            assert (done.code, done.out) == (3, "")


def test_a_link_that_the_user_names_is_read_as_what_it_leads_to(run, tmp_path):
    """Caches of downloads hold links to files that are named by their digests."""
    (tmp_path / "blobs").mkdir()
    blob = write_model(tmp_path / "m.onnx").rename(tmp_path / "blobs/0f1e")
    (tmp_path / "link.onnx").symlink_to("blobs/0f1e")
    for options in ((), ("--text",)):
        assert run("inspect", *options, "link.onnx").out.replace("link.onnx", "0f1e") == run(
            "inspect", *options, blob
        ).out.replace(str(blob), "0f1e")
    same = run("diff", "link.onnx", blob)
    assert (same.code, "the same: the model files are the same bytes" in same.out) == (0, True)
    assert run("inspect", "--html", "page.html", "link.onnx").code == 0
    for output in (blob, "link.onnx"):
        before = blob.read_bytes()
        assert run("inspect", "--html", output, "link.onnx").code in (2, 3)
        assert (blob.read_bytes(), (tmp_path / "link.onnx").is_symlink()) == (before, True)


@pytest.mark.parametrize("leads_to", ["nowhere", "link.onnx", "/dev/zero", "/dev/full"])
@pytest.mark.parametrize("option", [(), ("--text",), ("--html", "page.html")])
def test_a_link_that_leads_to_no_file_is_told(run, tmp_path, option, leads_to):
    (tmp_path / "link.onnx").symlink_to(leads_to)
    done = run("inspect", *option, "link.onnx")
    assert (done.code, done.out) in ((3, ""), (4, ""))
    assert "link.onnx" in done.err
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("option", [(), ("--text",)])
@pytest.mark.parametrize("name", ['a"b.onnx', "con.onnx", "a\nb.onnx"])
def test_a_file_by_a_name_that_no_package_takes_is_told_so(run, tmp_path, name, option):
    write_model(tmp_path / name)
    done = run("inspect", *option, name)
    assert (done.code, done.out) == (3, "")
    assert "do: rename the file" in done.err


def test_hostile_names_move_no_terminal(run, tmp_path):
    model = linear_model()
    model.graph.node[0].name = 'a\x1b[2J\n::error::x\u202e"; ##[error]'
    model.producer_name = "\x07"
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    out = run("inspect", "--text", "m.onnx").out
    assert all(line.isprintable() and not line.lstrip().startswith("::") for line in out.split("\n"))
    assert "##[" not in out
    assert onnx.parser.parse_model(out).graph.node[0].name == 'a\\u{1b}[2J\\u{a}::error::x\\u{202e}"; ##\\u{5b}error]'
