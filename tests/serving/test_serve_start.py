"""What a server refuses to start with, and where it refuses to listen."""

import json
import socket
from pathlib import Path

import pytest
from making import make_key
from serving_kit import classifier, get, linear, model_of, package, policy, refused, sequence_of_tensors, serving, value

pytestmark = pytest.mark.linux

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def good(tmp_path_factory, release) -> Path:
    return package(tmp_path_factory.mktemp("good"), "linear-1.0.0", linear(), release)


@pytest.fixture
def tokens(tmp_path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    return path


def test_a_denied_package(tmp_path, good, policy_of_release):
    stranger = package(tmp_path, "linear-2.0.0", linear(), make_key())
    done = refused(good, stranger, policy=policy_of_release)
    assert done.returncode == 1
    assert "MLS2" in done.stderr
    assert "denied by the policy" in done.stderr
    assert '"listening"' not in done.stderr


def test_a_package_that_is_not_there(tmp_path, good, policy_of_release):
    done = refused(good, tmp_path / "nothing-1.0.0", policy=policy_of_release)
    assert done.returncode == 3
    assert "nothing-1.0.0" in done.stderr


def test_a_policy_that_is_wrong(tmp_path, good):
    broken = tmp_path / "policy.yaml"
    broken.write_text("kind: Nonsense\n")
    assert refused(good, policy=broken).returncode == 3


def test_a_policy_that_is_not_signed_as_asked(tmp_path, good, policy_of_release, release):
    (tmp_path / "key.pub").write_bytes(release.public)
    done = refused(good, policy=policy_of_release, options=("--policy-key", tmp_path / "key.pub"))
    assert done.returncode == 1
    assert "sign" in done.stderr


def test_the_same_model_twice(tmp_path, good, release, policy_of_release):
    other = package(tmp_path, "linear-1.0.0", linear(scale=5), release)
    done = refused(good, other, policy=policy_of_release)
    assert done.returncode == 3
    assert "linear 1.0.0 is served from another package already" in done.stderr


def test_models_that_the_protocol_cannot_carry(tmp_path, release):
    rules = policy(tmp_path, release)
    rules.write_text(rules.read_text().replace("ml-v1]", "ml-v1, 'ai.onnx:SplitToSequence', 'ai.onnx.ml:DictVectorizer']"))
    from onnx import TensorProto, helper

    node = helper.make_node("DictVectorizer", ["x"], ["y"], domain="ai.onnx.ml", string_vocabulary=["a", "b"])
    given = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, ()))
    words = model_of([node], [helper.make_value_info("x", given)], [value("y", shape=(1, 2))], ml=True)
    for name, model, side in (("sequences-1.0.0", sequence_of_tensors(), "output y"), ("maps-1.0.0", words, "input x")):
        done = refused(package(tmp_path, name, model, release), policy=rules)
        assert done.returncode == 3, done.stderr
        assert f"{side} is " in done.stderr
        assert "the Open Inference Protocol cannot carry" in done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104 - what is tested
def test_other_addresses_than_loopback(good, policy_of_release, tokens, host):
    for options in ((), ("--token-file", tokens)):
        done = refused(good, policy=policy_of_release, options=("--host", host, *options))
        assert done.returncode == 2, done.stderr
        assert "can be reached from other machines" in done.stderr
        assert "--insecure-listen" in done.stderr


def test_other_addresses_where_that_is_asked_for(tmp_path, good, policy_of_release):
    with serving(
        good,
        policy=policy_of_release,
        log=tmp_path / "log",
        options=("--host", "0.0.0.0", "--insecure-listen"),  # noqa: S104 - what is tested
    ) as server:
        assert get(server, "/v2/health/ready").status == 200


def has_loopback_of_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_loopback_of_ipv6(), reason="this machine has no IPv6")
def test_loopback_of_ipv6(tmp_path, good, policy_of_release):
    with serving(good, policy=policy_of_release, log=tmp_path / "log", options=("--host", "::1")) as server:
        with socket.create_connection(("::1", server.port), timeout=10) as sock:
            sock.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 200")


def test_a_port_that_is_taken(good, policy_of_release):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        done = refused(good, policy=policy_of_release, options=("--port", sock.getsockname()[1]))
    assert done.returncode == 4
    assert "cannot listen there" in done.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "has 0 tokens"),
        ("# nothing\n\n", "has 0 tokens"),
        ("short\n", "line 1 is no token"),
        (f"{TOKEN}\nwith space in the middle of it\n", "line 2 is no token"),
        (f"{TOKEN}\nümläute-in-a-token-of-length\n", "line 2 is no token"),
        (None, "no token file"),
    ],
)
def test_token_files_that_are_wrong(tmp_path, good, policy_of_release, content, words):
    path = tmp_path / "tokens"
    if content is not None:
        path.write_text(content)
    done = refused(good, policy=policy_of_release, options=("--token-file", path))
    assert done.returncode == 3
    assert words in done.stderr
    assert TOKEN not in done.stderr
    assert "with space" not in done.stderr


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--tls-cert", "c.pem"), 2),
        (("--tls-key", "c.pem"), 2),
        (("--tls-cert", "nothing.pem", "--tls-key", "nothing.pem"), 4),
        (("--log-level", "loud"), 2),
        (("--sandbox", "gvisor", "--allow-unsandboxed"), 2),
        (("--sandbox", "cardboard"), 2),
        (("--port", "70000"), 2),
        (("--workers", "0"), 2),
        (("--max-request", "1"), 2),
        (("--watch", "0"), 2),
        (("--timeout", "nan"), 2),
        (("--host", ""), 2),
        (("--host", "no.such.host.invalid"), 4),
    ],
)
def test_options_that_are_wrong(good, policy_of_release, options, code):
    done = refused(good, policy=policy_of_release, options=options)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


def test_gvisor_or_nothing(tmp_path, good, policy_of_release):
    """Where it is installed models run in it; where it is not, the server does not start without it."""
    from mlsign.actions.scoring.survey import survey

    options = ("--sandbox", "gvisor")
    if (failure := survey().without_gvisor) is not None:
        done = refused(good, policy=policy_of_release, options=options)
        assert done.returncode == 4
        assert failure.message.split(":", maxsplit=1)[0] in done.stderr
        return
    with serving(good, policy=policy_of_release, log=tmp_path / "log", options=options) as server:
        assert "gvisor" in server.lines("model.loaded")[0]["confined_by"]


def test_a_file_that_others_can_read_is_warned_about(tmp_path, good, policy_of_release, tokens):
    tokens.chmod(0o644)
    with serving(good, policy=policy_of_release, log=tmp_path / "log", options=("--token-file", tokens)) as server:
        assert server.lines("file.open_to_others")[0]["file"] == str(tokens)


def test_an_audit_log_has_a_line_for_each_decision(tmp_path, good, release, policy_of_release):
    log = tmp_path / "audit.jsonl"
    other = package(tmp_path, "mail-1.0.0", classifier(), release)
    with serving(good, other, policy=policy_of_release, log=tmp_path / "log", options=("--audit-log", log)):
        lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(lines) == 2
    assert "mlsign serve" in log.read_text()
