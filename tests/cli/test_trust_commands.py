"""``mlsign trust`` as a person meets it: exit codes, what goes to which output, and what is asked."""

import json
import os
import pty
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest
from running import CLEAN
from tuf_repository import SIGNING_CONFIG, TRUSTED_ROOT, TufRepository

from mlsign.digest import sha256
from mlsign.roots.embedded import PUBLIC_GOOD, find_embedded

ROOT = find_embedded(PUBLIC_GOOD).read("trusted_root.json")
VERBS = ("show", "update", "import", "export", "pin")


@pytest.fixture
def trust(run, tmp_path):
    """``mlsign trust`` with a state folder of its own; ``machine`` is another one."""

    def go(*argv, machine="here", state=None):
        return run("trust", *argv, env={"MLSIGN_STATE": state or str(tmp_path / machine), "no_proxy": "127.0.0.1"})

    return go


@pytest.fixture
def repository(tmp_path):
    with TufRepository() as repository:
        repository.publish({TRUSTED_ROOT: ROOT, SIGNING_CONFIG: b"{}"})
        (tmp_path / "bootstrap.json").write_bytes(repository.bootstrap)
        yield repository


@pytest.fixture
def once(repository):
    return ("--name", "acme", "--tuf-url", repository.url, "--tuf-root", "bootstrap.json")


def test_bare_trust_explains_itself(trust):
    done = trust()
    assert done.code == 2
    assert all(f"  {verb} " in done.out + done.err for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_help_has_an_example(trust, verb):
    done = trust(verb, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"mlsign trust {verb}" in done.out
    assert "Example" in done.out


def test_show_what_is_embedded(trust, tmp_path):
    done = trust("show")
    assert (done.code, done.err) == (0, "")
    assert f"digest       {sha256(ROOT)}\n" in done.out
    assert "embedded with sigstore" in done.out
    assert "certificate authorities: 2" in done.out
    assert "no longer" in done.out
    assert not (tmp_path / "here").exists()


def test_show_a_file(trust, tmp_path):
    (tmp_path / "x.json").write_bytes(ROOT)
    assert "trust root   file x.json" in trust("show", "--root", "x.json").out
    (tmp_path / "x.json").write_bytes(b"{}")
    done = trust("show", "--root", "x.json")
    assert (done.code, done.out) == (3, "")


def test_update_show_and_pin(trust, repository, once):
    done = trust("update", *once)
    assert (done.code, done.out) == (0, f"{sha256(ROOT)}\n")
    assert "cache of acme: new" in done.err
    assert "in less than a day" in done.err
    done = trust("update", "--name", "acme", "--quiet")
    assert (done.code, done.out, done.err) == (0, f"{sha256(ROOT)}\n", "")
    assert trust("pin", "--name", "acme").out == f"{sha256(ROOT)}\n"
    repository.publish({TRUSTED_ROOT: ROOT + b"\n"})
    done = trust("update", "--name", "acme")
    assert (done.code, done.out) == (1, "")
    assert f"expected: {sha256(ROOT)}" in done.err
    assert f"found: {sha256(ROOT + b'|').algorithm.value}" in done.err
    value = json.loads(trust("show", "--name", "acme", "--format", "json").out)
    assert (value["schema"], value["pinned"], value["stale"], value["versions"]["targets"]) == ("mlsign/trust/v1", True, False, 1)
    assert "(pinned)" in trust("show", "--name", "acme").out
    assert trust("pin", "--off", "--name", "acme").code == 0
    assert "was not pinned" in trust("pin", "--off", "--name", "acme").err
    done = trust("update", "--name", "acme")
    assert (done.code, done.out) == (0, f"{sha256(ROOT + chr(10).encode())}\n")
    assert f"was {sha256(ROOT)}" in done.err


def test_a_repository_that_fails_is_outside(trust, repository, once):
    repository.break_service()
    done = trust("update", *once)
    assert (done.code, done.out) == (4, "")
    assert "nothing was changed" in done.err
    assert "Retrying" not in done.err


def test_a_refusal_as_json(trust, repository, once):
    trust("update", *once)
    repository.freeze()
    repository.break_signature("timestamp.json")
    done = trust("show", "--name", "nobody", "--format", "json")
    assert (done.code, json.loads(done.out)["code"]) == (3, "trust.instance")
    done = trust("update", "--name", "acme", "--verbose")
    assert done.code == 1
    assert "code: trust.signatures" in done.err


def test_export_and_import(trust, once, tmp_path):
    trust("update", *once)
    done = trust("export", "carried", "--name", "acme")
    assert (done.code, done.out) == (0, "carried\n")
    done = trust("import", "carried", "--name", "acme", machine="there")
    assert (done.code, done.out) == (2, "")
    done = trust("import", "carried", "--name", "acme", "--tuf-root", "bootstrap.json", machine="there")
    assert (done.code, done.out) == (0, f"{sha256(ROOT)}\n")
    assert trust("export", "carried", "--name", "acme").code == 3


def test_a_stale_folder_says_so(trust, once, tmp_path):
    with TufRepository(now=lambda: datetime.now(UTC) - timedelta(days=3)) as slow:
        slow.publish({TRUSTED_ROOT: ROOT})
        (tmp_path / "slow").mkdir()
        (tmp_path / "slow" / "targets").mkdir()
        (tmp_path / "bootstrap.json").write_bytes(slow.bootstrap)
        for path, data in slow.files.items():
            (tmp_path / "slow" / path).write_bytes(data)
    done = trust("import", "slow", "--name", "acme", "--tuf-root", "bootstrap.json")
    assert (done.code, done.out) == (0, f"{sha256(ROOT)}\n")
    assert "STALE for 2 days: run mlsign trust update" in done.err
    assert "STALE for 2 days" in trust("show", "--name", "acme").out


def test_a_file_needs_a_digest_where_nobody_can_be_asked(trust, tmp_path):
    (tmp_path / "x.json").write_bytes(ROOT)
    done = trust("import", "x.json")
    assert (done.code, done.out) == (2, "")
    assert str(sha256(ROOT)) in done.err
    done = trust("import", "x.json", "--sha256", sha256(b"").hex)
    assert (done.code, done.out) == (1, "")
    done = trust("import", "x.json", "--sha256", "abc")
    assert (done.code, done.out) == (3, "")
    for spelled in (sha256(ROOT).hex, str(sha256(ROOT))):
        done = trust("import", "x.json", "--sha256", spelled)
        assert (done.code, done.out) == (0, f"{sha256(ROOT)}\n")
    assert "a file whose digest was confirmed" in trust("show").out


@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"n\n", 2), (b"\n", 2), (None, 130)])
def test_a_file_is_confirmed_at_a_terminal(command, tmp_path, answer, code):
    (tmp_path / "x.json").write_bytes(ROOT)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*command, "trust", "import", "x.json"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        cwd=tmp_path,
        env=CLEAN | {"MLSIGN_STATE": str(tmp_path / "state")},
        # A shell starts what runs in the background with SIGINT ignored, and that is handed down; at a terminal it is not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # no threads are running here
    )
    os.close(theirs)
    asked, until = b"", time.monotonic() + 30
    while b"[y/N]" not in asked and time.monotonic() < until:
        asked += os.read(ours, 65536)
    if answer is None:
        process.send_signal(signal.SIGINT)
    else:
        os.write(ours, answer)
    out, _ = process.communicate(timeout=30)
    os.close(ours)
    assert str(sha256(ROOT)).encode() in asked
    assert process.returncode == code
    assert (out == f"{sha256(ROOT)}\n".encode()) == (code == 0)
    assert (tmp_path / "state").exists() == (code == 0)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("import", ".", "--sha256", "0" * 64), "a folder proves itself"),
        (("import", "x", "--tuf-root", "y"), "a file has no signatures"),
        (("pin", "--off", "--sha256", "0" * 64), "exclude each other"),
        (("update", "--tuf-url", "ftp://a.example"), "no address"),
        (("update", "--tuf-root", "x"), "with --name"),
        (("update", "--name", "acme"), "--tuf-url URL"),
        (("show", "--name", "../acme"), "no name"),
    ],
)
def test_wrong_usage_is_2(trust, argv, words):
    done = trust(*argv)
    assert (done.code, done.out) == (2, "")
    assert words in done.err


def test_pin_to_a_file(trust, tmp_path):
    (tmp_path / "x.json").write_bytes(ROOT + b"\n")
    done = trust("pin", "--root", "x.json")
    assert done.code == 0
    done = trust("show")
    assert (done.code, done.out) == (1, "")
    assert "pinned is" in done.err


@pytest.mark.parametrize("data", [b"", b"-----BEGIN PRIVATE KEY-----\n", b"{}", ROOT[:-9]])
def test_what_is_no_trust_root_is_not_pinned(trust, tmp_path, data):
    (tmp_path / "k.key").write_bytes(data)
    done = trust("pin", "--root", "k.key")
    assert (done.code, done.out) == (3, "")
    assert trust("show").code == 0


def test_what_is_no_trust_root_is_named(trust, tmp_path, repository, once):
    wrong = tmp_path / "wrong.pem"
    wrong.write_bytes(b"-----BEGIN")
    for argv in (
        ("show", "--root", "wrong.pem"),
        ("pin", "--root", "wrong.pem"),
        ("import", "wrong.pem"),
        ("import", "wrong.pem", "--sha256", sha256(b"-----BEGIN").hex),
        ("update", "--name", "acme", "--tuf-url", repository.url, "--tuf-root", "wrong.pem"),
    ):
        done = trust(*argv)
        assert (done.code, done.out) == (3, "")
        assert "wrong.pem: " in done.err.splitlines()[0]
        assert len(done.err.splitlines()) > 1


def test_a_cache_that_others_can_write_to_is_refused(trust, tmp_path):
    trust("pin")
    (tmp_path / "here" / "trust").chmod(0o777)
    done = trust("show")
    assert (done.code, done.out) == (1, "")
    assert "chmod go-w" in done.err


def test_a_state_folder_that_is_no_path(trust):
    assert trust("show", state="relative").code == 2
