"""Signing without a key with services that are silent, drip, send without end, or send something else."""

import contextlib
import json
import logging
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from local_sigstore import LocalSigstore

from mlsign.actions.load_keyless import KeylessRequest, Login, load_keyless
from mlsign.actions.sign import sign
from mlsign.errors import OutsideError


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    """Loopback is reached without a proxy, whatever the environment says."""
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture(scope="module")
def sigstore():
    with LocalSigstore() as service:
        yield service


@pytest.fixture
def package(good_package, tmp_path):
    folder = Path(shutil.copytree(good_package, tmp_path / "fraud-1.2.0"))
    shutil.rmtree(folder / "signatures")
    return folder


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
