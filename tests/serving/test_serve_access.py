"""Who may ask, and over what."""

import contextlib
import json
import socket
import ssl
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from serving_kit import Server, get, hang_up, linear, metrics, package, post, read_reply, serving

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what the client's own dependencies are deprecated for
    import tritonclient.http as triton
    from tritonclient.utils import InferenceServerException

pytestmark = pytest.mark.linux

FIRST, SECOND, THIRD = "first-token-0123456789", "second.token_0123456789", "third~token+0123456789=="
INFER = "/v2/models/linear/infer"
GOOD = json.dumps({"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}).encode()


@pytest.fixture(scope="module")
def good(tmp_path_factory, release) -> Path:
    return package(tmp_path_factory.mktemp("good"), "linear-1.0.0", linear(), release)


def write_secret(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def write_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_secret(private, pem.decode())
    return certificate, private


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, good, policy_of_release):
    folder = tmp_path_factory.mktemp("guarded")
    tokens = write_secret(folder / "tokens", f"# people\n{FIRST}\n\n  {SECOND}  \r\n")
    with serving(good, policy=policy_of_release, log=folder / "log", options=("--token-file", tokens)) as server:
        server.extra["tokens"] = tokens
        yield server


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer  ",
        f"Basic {FIRST}",
        FIRST,
        f"Bearer {FIRST}x",
        f"Bearer {FIRST[:-1]}",
        f"Bearer {FIRST.upper()}",
        f"Bearer {FIRST}, Bearer {SECOND}",
        "Bearer # people",
        f"Token {FIRST}",
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        "/v2",
        "/metrics",
        "/v2/models/linear",
        "/v2/models/linear/ready",
        "/v2/models/nothing",
        "/nothing",
        "/v2/health/../models/linear",
    ],
)
def test_without_a_token_nothing_is_told(guarded: Server, path: str, given: str | None):
    headers = {} if given is None else {"Authorization": given}
    reply = get(guarded, path, **headers)
    assert reply.status == 401
    assert reply.headers["www-authenticate"].lower() == 'bearer realm="mlsign"'
    assert reply.error == (
        "this server asks for a token, and none that it knows was shown; send the header Authorization: Bearer TOKEN"
    )


def test_without_a_token_nothing_is_scored_or_even_read(guarded: Server):
    assert post(guarded, INFER, GOOD).status == 401
    assert post(guarded, "/v2/repository/index", b"{}").status == 401
    # A body that never comes is not waited for.
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=20) as sock:
        sock.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".encode())
        assert read_reply(sock)[0].status == 401


@pytest.mark.parametrize("given", [f"Bearer {FIRST}", f"bearer {SECOND}", f"BEARER   {FIRST}"])
def test_with_a_token(guarded: Server, given: str):
    for path in ("/v2", "/metrics", "/v2/models/linear", "/v2/models/linear/ready"):
        assert get(guarded, path, Authorization=given).status == 200
    assert post(guarded, INFER, GOOD, Authorization=given).status == 200
    assert get(guarded, "/nothing", Authorization=given).status == 404


def test_a_page_with_a_token_is_somebody(guarded: Server):
    reply = post(guarded, INFER, GOOD, Authorization=f"Bearer {FIRST}", Origin="http://ui.example")
    assert reply.status == 200


def test_two_tokens_are_none(guarded: Server):
    head = f"GET /v2 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {FIRST}\r\nAuthorization: Bearer wrong\r\n\r\n"
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=20) as sock:
        sock.sendall(head.encode())
        assert read_reply(sock)[0].status == 400


def test_health_is_open(guarded: Server):
    assert get(guarded, "/v2/health/live").status == 200
    assert get(guarded, "/v2/health/ready").status == 200


def test_tokens_are_in_no_log(guarded: Server):
    get(guarded, "/v2", Authorization=f"Bearer {FIRST}", X_Request_Id="with-a-token")
    guarded.wait_for("request", request_id="with-a-token")
    for token in (FIRST, SECOND):
        assert token not in guarded.log.read_text()


def test_the_client_with_a_token(guarded: Server):
    rows = triton.InferInput("x", [1, 4], "FP32").set_data_from_numpy(np.ones((1, 4), np.float32))
    with triton.InferenceServerClient(guarded.url) as client:
        with pytest.raises(InferenceServerException) as caught:
            client.infer("linear", [rows])
        assert caught.value.status() == "401"
        found = client.infer("linear", [rows], headers={"Authorization": f"Bearer {SECOND}"})
        assert found.as_numpy("y").tolist() == [[1, 1, 1, 1]]


def test_tokens_are_read_again_on_a_signal(tmp_path, good, policy_of_release):
    tokens = write_secret(tmp_path / "tokens", FIRST)
    with serving(good, policy=policy_of_release, log=tmp_path / "log", options=("--token-file", tokens)) as server:

        def status(token: str) -> int:
            return get(server, "/v2", Authorization=f"Bearer {token}").status

        assert (status(FIRST), status(THIRD)) == (200, 401)
        tokens.write_text(THIRD)
        hang_up(server)
        server.wait_for("package.verified", cause="signal")
        assert (status(FIRST), status(THIRD)) == (401, 200)
        for count, broken in enumerate(("", "short", None), start=1):
            tokens.unlink() if broken is None else tokens.write_text(broken)
            hang_up(server)
            server.wait_for("tokens.refused", count=count)
            assert (status(FIRST), status(THIRD)) == (401, 200), "nobody else is let in, and nobody is locked out"


@pytest.fixture(scope="module")
def over_tls(tmp_path_factory, good, policy_of_release):
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = write_certificate(folder, "first")
    tokens = write_secret(folder / "tokens", FIRST)
    options = ("--tls-cert", certificate, "--tls-key", key, "--token-file", tokens, "--host", "0.0.0.0")  # noqa: S104 - what is tested
    with serving(good, policy=policy_of_release, log=folder / "log", options=options) as server:
        server.extra |= {"folder": folder, "certificate": certificate, "key": key}
        yield server


def trusting(certificate: Path, **versions: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificate))
    for name, version in versions.items():
        setattr(context, name, version)
    return context


def over(server: Server, context: ssl.SSLContext, path: str = "/v2") -> tuple[int, dict]:
    """The status, and whose certificate was shown."""
    with socket.create_connection(("localhost", server.port), timeout=20) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {FIRST}\r\n\r\n".encode())
            return read_reply(sock)[0].status, sock.getpeercert()


def test_tls_with_tokens_may_listen_anywhere(over_tls: Server):
    assert over_tls.scheme == "https"
    assert over(over_tls, trusting(over_tls.extra["certificate"]))[0] == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_of_tls(over_tls: Server, version: ssl.TLSVersion):
    context = trusting(over_tls.extra["certificate"], minimum_version=version, maximum_version=version)
    assert over(over_tls, context)[0] == 200


def test_older_versions_of_tls_are_refused(over_tls: Server):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context = trusting(
            over_tls.extra["certificate"], minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1
        )
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        over(over_tls, context)
    assert over(over_tls, trusting(over_tls.extra["certificate"]))[0] == 200


def test_plain_http_gets_nothing_on_a_tls_port(over_tls: Server):
    with socket.create_connection(("localhost", over_tls.port), timeout=20) as sock:
        sock.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert not sock.recv(1000).startswith(b"HTTP/")


def test_the_client_over_tls(over_tls: Server):
    rows = triton.InferInput("x", [1, 4], "FP32").set_data_from_numpy(np.ones((1, 4), np.float32))
    options = {"ca_certs": str(over_tls.extra["certificate"])}
    url = f"localhost:{over_tls.port}"
    with triton.InferenceServerClient(url, ssl=True, ssl_options=options) as client:
        found = client.infer("linear", [rows], headers={"Authorization": f"Bearer {FIRST}"})
        assert found.as_numpy("y").tolist() == [[1, 1, 1, 1]]


def test_a_certificate_is_renewed_on_a_signal_and_a_broken_one_is_not_taken(tmp_path, good, policy_of_release):
    certificate, key = write_certificate(tmp_path, "first")
    with serving(
        good, policy=policy_of_release, log=tmp_path / "log", options=("--tls-cert", certificate, "--tls-key", key)
    ) as server:
        before = trusting(certificate)
        with socket.create_connection(("localhost", server.port), timeout=20) as plain:
            with before.wrap_socket(plain, server_hostname="localhost") as open_before:
                _, shown = over(server, before)
                assert shown["subject"][0][0][1] == "first"
                write_certificate(tmp_path, "second")
                hang_up(server)
                server.wait_for("package.verified", cause="signal")
                after = trusting(certificate)
                for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                    after.maximum_version = version
                    _, shown = over(server, after)
                    assert shown["subject"][0][0][1] == "second"
                with pytest.raises(ssl.SSLCertVerificationError):
                    over(server, before)
                # A key of another certificate: half of a renewal.
                certificate_now = certificate.read_bytes()
                (tmp_path / "other").mkdir()
                write_certificate(tmp_path / "other", "third")
                certificate.write_bytes((tmp_path / "other" / "tls.crt").read_bytes())
                hang_up(server)
                server.wait_for("certificate.refused")
                certificate.write_bytes(certificate_now)
                _, shown = over(server, trusting(certificate))
                assert shown["subject"][0][0][1] == "second"
                open_before.sendall(b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")
                assert read_reply(open_before)[0].status == 200, "connections that were open go on"


def test_refusals_are_counted(guarded: Server):
    get(guarded, "/v2")
    assert metrics(guarded, Authorization=f"Bearer {FIRST}")['mlsign_errors_total{error="serve.token"}'] >= 1
