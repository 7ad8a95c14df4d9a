"""Signing without a key with services that are silent, drip, send without end, or send something else."""

import contextlib
import json
import logging
import shutil
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from local_sigstore import LocalSigstore

from mlsign.actions.signing.load_keyless import KeylessRequest, Login, load_keyless
from mlsign.actions.signing.sign import sign
from mlsign.errors import OutsideError, TrustError
from mlsign.signers import bounded_http, keyless

SERVICES = [("caUrls", 2), ("rekorTlogUrls", 1), ("rekorTlogUrls", 2), ("tsaUrls", 2)]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    """Loopback is reached without a proxy, whatever the environment says."""
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def package(package):
    """Nobody has signed it yet."""
    shutil.rmtree(package / "signatures")
    return package


@pytest.fixture
def answering():
    """A service that answers every request with the bytes that a function writes, and hangs up."""
    servers = []

    def start(answer):
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                with contextlib.suppress(OSError):
                    answer(self.wfile.write)

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def signer(sigstore, folder, which, rekor, url):
    """One whose service ``which`` is at ``url``."""
    config = sigstore.trust_config(rekor=rekor)
    for each in config["signingConfig"][which]:
        each["url"] = url
    (folder / "config.json").write_text(json.dumps(config))
    request = KeylessRequest(token=sigstore.oidc.email_token(), config=folder / "config.json", login=Login.NEVER)
    return load_keyless(request)


def refused(package, signer):
    with pytest.raises(OutsideError) as caught:
        sign(package, signer)
    assert "nothing was written" in caught.value.hint
    assert not (package / "signatures").exists()
    return caught.value


@pytest.mark.parametrize(("which", "rekor"), SERVICES)
@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nX: ", HEAD + b"Content-Length: 1000\r\n\r\n"])
def test_a_service_that_drips_is_given_up(sigstore, package, tmp_path, answering, monkeypatch, which, rekor, start):
    monkeypatch.setattr(keyless, "EXCHANGE_SECONDS", 0.5)

    def slow(write):
        write(start)
        for _ in range(10):
            time.sleep(0.1)
            write(b"a" if start else b"HTTP/1.1 100 Continue\r\n\r\n")

    error = refused(package, signer(sigstore, tmp_path, which, rekor, answering(slow)))
    assert error.code == ("keyless.timestamp" if which == "tsaUrls" else "keyless.unreachable")
    assert "no answer in 0.5 seconds" in error.message + error.found


def test_there_is_an_end_to_all_exchanges_together(sigstore, package, tmp_path, answering, monkeypatch):
    monkeypatch.setattr(keyless, "SIGNING_SECONDS", 0.3)
    url = answering(lambda _: time.sleep(1))
    assert refused(package, signer(sigstore, tmp_path, "caUrls", 2, url)).code == "keyless.unreachable"


@pytest.mark.parametrize(("which", "rekor"), SERVICES)
def test_an_answer_without_end_is_not_read(sigstore, package, tmp_path, answering, monkeypatch, which, rekor):
    monkeypatch.setattr(bounded_http, "MAX_ANSWER_BYTES", 65_536)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()

    def endless(write):
        write(HEAD + b"\r\n")
        for _ in range(1000):
            write(b" " * 65_536)

    packed = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb
    for answer in (endless, lambda write: write(packed)):
        error = refused(package, signer(sigstore, tmp_path, which, rekor, answering(answer)))
        assert error.code == ("keyless.timestamp" if which == "tsaUrls" else "keyless.answer")
        assert "more than 65536 bytes" in error.message + error.found


@pytest.mark.parametrize(("which", "rekor"), SERVICES)
def test_an_answer_of_another_shape_is_an_error_of_the_service(sigstore, package, tmp_path, answering, which, rekor):
    wrong = [b"null", b"[]", b"5", b'{"a":[]}', b'{"a":5}', b"[" * 50_000, b"", b"\xff\xfe", b"<html>", b"1" * 5000]
    wrong += [b'{"signedCertificateEmbeddedSct":{"chain":{"certificates":[1]}}}', b'{"logIndex":"0","inclusionProof":{}}']
    bodies = iter(wrong)
    url = answering(lambda write: write(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body))
    made = signer(sigstore, tmp_path, which, rekor, url)
    for body in bodies:
        code = refused(package, made).code
        assert code in {"keyless.answer", "keyless.certificate", "keyless.timestamp"}, body[:40]


def test_an_authority_that_certifies_somebody_else_is_found_out(package, tmp_path, monkeypatch):
    with LocalSigstore() as own:
        honest = own.fulcio.issue
        somebody = x509.RFC822Name("ceo@acme.example")
        monkeypatch.setattr(own.fulcio, "issue", lambda key, *, name, claims: honest(key, name=somebody, claims=claims))  # noqa: ARG005
        (tmp_path / "config.json").write_text(json.dumps(own.trust_config()))
        request = KeylessRequest(token=own.oidc.email_token("dev@example.com"), config=tmp_path / "config.json")
        with pytest.raises(TrustError) as caught:
            sign(package, load_keyless(request))
    assert caught.value.code == "keyless.subject"
    assert (caught.value.expected, caught.value.found) == ("dev@example.com", "ceo@acme.example")
    assert not (package / "signatures").exists()


def test_memory_that_runs_out_is_not_blamed_on_a_service(sigstore, package, tmp_path, monkeypatch):
    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr("sigstore.sign.Signer.sign_dsse", full)
    made = signer(sigstore, tmp_path, "caUrls", 2, sigstore.url)
    with pytest.raises(MemoryError):
        sign(package, made)


def test_what_a_service_says_reaches_no_terminal_as_it_came(sigstore, package, tmp_path, answering, capfd, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as in a process that set up nothing: the last resort speaks
    reason = b"HTTP/1.1 500 \x1b[2J\x1b[1;32msigned\x1b]0;x\x07\r\nContent-Length: 0\r\n\r\n"
    error = refused(package, signer(sigstore, tmp_path, "tsaUrls", 2, answering(lambda write: write(reason))))
    assert error.code == "keyless.timestamp"
    assert error.found.isprintable()
    assert "500" in error.found
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("sigstore").propagate
    assert not logging.getLogger("sigstore").handlers
