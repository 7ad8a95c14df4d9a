"""Packages that share files with a store: packed, signed, verified and scored, and what becomes of files that were touched."""

import json
import os
import shutil
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from making import resign, write_policy
from releases import BYTES, FILES, SIDE, make_release, write_release

from mlsign.actions.audit.append_audit import event_of
from mlsign.actions.packing.pack import PackRequest, RefusedToPack, pack
from mlsign.actions.signing.attest import attest
from mlsign.actions.signing.countersign import countersign
from mlsign.actions.signing.sign import RefusedToSign, sign
from mlsign.actions.verification.admit import Denied
from mlsign.actions.verification.gate import Gate
from mlsign.digest import Algorithm
from mlsign.errors import InputError, TrustError
from mlsign.evidence.findings import Outcome
from mlsign.evidence.record import KnownBy
from mlsign.package.read import OpenPackage
from mlsign.policy.model import Verdict
from mlsign.policy.recorded import decide_recorded, record

pytestmark = pytest.mark.linux
PROVENANCE = {
    "buildDefinition": {"buildType": "https://build.acme.example/type", "externalParameters": {}},
    "runDetails": {"builder": {"id": "https://build.acme.example"}},
}
NAMES = [str(path) for path in FILES]


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def package(tmp_path, keys, store):
    return make_release(tmp_path, "1.0.0", keys.both, store=store)


@pytest.fixture
def gates(tmp_path, keys, store):
    """A gate that takes the store and believes it; one that takes it and does not; one that does not know it."""
    groups = {"release": (1, [keys.release.public]), "review": (1, [keys.review.public])}
    once = write_policy(tmp_path / "once", groups, rest="hashing: once\n")
    always = write_policy(tmp_path / "always", groups)
    return lambda: (Gate.load(once, store=store), Gate.load(always, store=store), Gate.load(always))


def wrong(report) -> set[str]:
    return {f.code for f in report.decision.findings if f.outcome is not Outcome.PASS}


def unread(report) -> list[str]:
    assert all(file.known_by is KnownBy.STORE and file.size == BYTES for file in report.evidence.unread)
    return [str(file.path) for file in report.evidence.unread]


def alter(path) -> None:
    """As the owner can: a byte in place, and the time put back."""
    before = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        byte = file.read(1)
        file.seek(0)
        file.write(bytes([byte[0] ^ 1]))
    path.chmod(before.st_mode & 0o777)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def settle(path) -> None:
    while time.time_ns() - path.stat().st_ctime_ns < 2_100_000_000:
        time.sleep(0.1)


def read_bytes(monkeypatch) -> list[str]:
    """The files of packages that are read from now on, by any way to read."""
    seen: list[str] = []
    real_stream, real_read = os.preadv, os.pread

    def preadv(fd, *args):
        seen.append(os.readlink(f"/proc/self/fd/{fd}"))
        return real_stream(fd, *args)

    def pread(fd, *args):
        seen.append(os.readlink(f"/proc/self/fd/{fd}"))
        return real_read(fd, *args)

    monkeypatch.setattr(os, "preadv", preadv)
    monkeypatch.setattr(os, "pread", pread)
    return seen


# What it is for.


def test_the_next_version_shares_what_is_the_same_and_is_as_good_as_a_copy(tmp_path, keys, store, package):
    second = make_release(tmp_path, "1.1.0", keys.both, seeds=(0, 1, 7), store=store)
    copied = make_release(tmp_path / "copied", "1.1.0", keys.both, seeds=(0, 1, 7))
    same = [(package / name).stat().st_ino == (second / name).stat().st_ino for name in NAMES]
    assert same == [True, True, False]
    assert (package / "model.onnx").stat().st_nlink == 1
    for path in copied.rglob("*"):
        if path.is_file() and "signatures" not in path.parts:
            assert (second / path.relative_to(copied)).read_bytes() == path.read_bytes()


def test_who_reads_what(package, gates):
    once, always, nobody = gates()
    believed, hashed, denied = once.verify(package), always.verify(package), nobody.verify(package)
    assert believed.decision.verdict is hashed.decision.verdict is Verdict.ALLOW
    assert unread(believed) == NAMES
    assert unread(hashed) == []
    (said,) = (f for f in believed.decision.findings if f.code == "MLS116")
    assert said.found == ", ".join(NAMES)
    assert denied.decision.verdict is Verdict.DENY
    assert wrong(denied) == {"MLS107", "MLS313"}
    assert replace(believed.evidence, unread=()) == hashed.evidence


def test_what_is_known_is_not_read(package, gates, keys, store, monkeypatch):
    once, always, _ = gates()
    seen = read_bytes(monkeypatch)
    assert once.verify(package).decision.verdict is Verdict.ALLOW
    sign(package, keys.outsider.signer, store=store)
    assert not [name for name in seen if name.endswith(tuple(NAMES))]
    assert any(name.endswith("mlsign.json") for name in seen)
    always.verify(package)
    assert len({name for name in seen if name.endswith(tuple(NAMES))}) == 3


def test_packing_again_reads_only_the_model(tmp_path, store, monkeypatch):
    model = write_release(tmp_path / "source")
    settle(model)
    pack(PackRequest(model=model, output=tmp_path / "one", store=store))
    seen = read_bytes(monkeypatch)
    pack(PackRequest(model=model, output=tmp_path / "two", store=store))
    # the first bytes of each are looked at for keys, and that is all
    assert sum(name.endswith(tuple(NAMES)) for name in seen) == 3


def test_models_are_admitted_and_every_byte_is_hashed(tmp_path, keys, store, gates):
    """Files beside model and weights, too."""
    once, _, nobody = gates()
    (tmp_path / "tokens.dat").write_bytes(os.urandom(BYTES))
    model, package = write_release(tmp_path / "source"), tmp_path / "packed"
    pack(PackRequest(model=model, output=package, version="1.0.0", store=store, include=(tmp_path / "tokens.dat",)))
    for signer in keys.both:
        sign(package, signer.signer, store=store)
    assert "tokens.dat" in unread(once.verify(package))
    with once.admit(package) as admitted:
        assert unread(admitted.report) == []
    with pytest.raises(Denied):
        nobody.admit(package)


def test_a_copy_needs_no_store(tmp_path, package, gates):
    shutil.copytree(package, tmp_path / "copy")
    assert gates()[2].verify(tmp_path / "copy").decision.verdict is Verdict.ALLOW


def test_a_package_is_packed_from_a_package(tmp_path, store, package):
    made = pack(
        PackRequest(model=package / "model.onnx", output=tmp_path / "again-1.0.1", algorithm=Algorithm.BLAKE3, store=store)
    )
    assert (made.path / NAMES[0]).stat().st_ino == (package / NAMES[0]).stat().st_ino
    with pytest.raises(RefusedToPack):
        pack(PackRequest(model=package / "model.onnx", output=tmp_path / "other-1.0.1"))


def test_a_policy_that_revokes_needs_every_digest_and_learns_them(tmp_path, keys, store, package):
    groups = {"release": (1, [keys.release.public])}
    rest = "hashing: once\nrevoked: [{name: other, reason: bad}]\n"
    gate = Gate.load(write_policy(tmp_path / "revoking", groups, rest=rest), store=store)
    for name in NAMES:
        settle(package / name)
    assert unread(gate.verify(package)) == []
    report = gate.verify(package)
    assert unread(report) == NAMES
    plain = Gate.load(write_policy(tmp_path / "plain", groups, rest=rest.replace("hashing: once\n", "")), store=store)
    assert report.evidence.digests == plain.verify(package).evidence.digests


def test_a_statement_by_another_algorithm_is_held_against_bytes_that_were_read(tmp_path, keys, store, gates):
    package = make_release(tmp_path, "1.0.0", (), store=store)
    resign(package, keys.both, algorithm="sha256")
    once, _, _ = gates()
    report = once.verify(package)
    assert report.decision.verdict is Verdict.ALLOW
    assert unread(report) == []


def test_evidence_of_unread_files_is_nothing_to_a_policy_that_hashes(package, gates, tmp_path):
    once, always, _ = gates()
    report = once.verify(package)
    recorded = record(report.policy, report.evidence, now=report.now)
    assert decide_recorded(report.policy, recorded, now=report.now).verdict is Verdict.ALLOW
    decision = decide_recorded(always.policy.policy, recorded, now=report.now)
    assert decision.verdict is Verdict.DENY
    assert "MLS116" in {f.code for f in decision.findings if f.outcome is Outcome.UNKNOWN}


def test_an_audit_log_says_what_was_not_read(tmp_path, package, gates):
    report = gates()[0].verify(package)
    (said,) = (line for line in event_of(report).loosened)
    assert said.startswith("3 files, 3.1 MB, were hashed when a store took them in")


def test_countersigning_and_attesting_take_the_store_as_signing_does(tmp_path, package, keys, store, monkeypatch):
    (name, *_) = sorted(path.name for path in (package / "signatures").iterdir())
    (tmp_path / "slsa.json").write_text(json.dumps(PROVENANCE))
    with pytest.raises(RefusedToSign):
        attest(package, keys.outsider.signer, provenance=tmp_path / "slsa.json")
    seen = read_bytes(monkeypatch)
    assert countersign(package, keys.outsider.signer, bundle=f"signatures/{name}", store=store).over == f"signatures/{name}"
    assert attest(package, keys.outsider.signer, provenance=tmp_path / "slsa.json", store=store).name == "sum-1.0.0"
    assert not [each for each in seen if each.endswith(tuple(NAMES))]


# What was touched.


def test_an_altered_object_is_hashed_and_denied_and_never_signed_over_its_new_bytes(package, gates, keys, store):
    alter(package / NAMES[1])
    for gate in gates()[:2]:
        report = gate.verify(package)
        assert "MLS101" in wrong(report)
        assert NAMES[1] not in unread(report)
    with pytest.raises(RefusedToSign):
        sign(package, keys.outsider.signer, store=store)
    with pytest.raises(Denied):
        gates()[0].admit(package)


def test_an_object_altered_through_the_store_or_another_package_is_no_other_case(tmp_path, package, gates, keys, store):
    second = make_release(tmp_path, "1.1.0", keys.both, seeds=(0, 1, 7), store=store)
    alter(second / NAMES[0])
    assert "MLS101" in wrong(gates()[0].verify(package))


def test_removing_a_package_makes_others_read_once_and_known_again(tmp_path, package, gates, keys, store):
    second = make_release(tmp_path, "1.1.0", keys.both, seeds=(0, 1, 7), store=store)
    once = gates()[0]
    assert unread(once.verify(second)) == NAMES
    shutil.rmtree(package)
    for name in NAMES:
        settle(second / name)
    first, then = once.verify(second), once.verify(second)
    assert first.decision.verdict is then.decision.verdict is Verdict.ALLOW
    assert unread(first) == [NAMES[2]]
    assert unread(then) == NAMES


def test_a_link_from_outside_is_refused_with_the_store_as_without(tmp_path, package, gates):
    outside = tmp_path / "outside"
    shutil.copy(package / NAMES[0], outside)
    (package / NAMES[0]).unlink()
    os.link(outside, package / NAMES[0])
    for gate in gates():
        assert "MLS107" in wrong(gate.verify(package))


def test_a_further_link_of_an_object_gives_nobody_anything(tmp_path, package, gates):
    """Other names of an object are no threat: it cannot be written to through any, and a write by its owner is noticed."""
    os.link(package / NAMES[0], tmp_path / "mine")
    assert gates()[0].verify(package).decision.verdict is Verdict.ALLOW
    alter(tmp_path / "mine")
    assert "MLS101" in wrong(gates()[0].verify(package))


@pytest.mark.parametrize("mode", [0o644, 0o464, 0o446])
def test_an_object_that_somebody_may_write_is_a_link_like_any_other(package, gates, mode):
    (package / NAMES[0]).chmod(mode)
    for gate in gates():
        report = gate.verify(package)
        assert {"MLS107", "MLS313"} <= wrong(report)
        assert NAMES[0] not in unread(report)


def test_a_file_that_is_exchanged_between_listing_and_opening_is_read(package, gates, monkeypatch):
    """The look at the folder says that it is the object; what is opened is another file, which is hashed."""
    other = package.parent / "other"
    other.write_bytes(bytes(BYTES))
    real = OpenPackage.open_file

    def open_file(self, path):
        if str(path) == NAMES[0] and other.exists():
            os.replace(other, package / NAMES[0])
        return real(self, path)

    monkeypatch.setattr(OpenPackage, "open_file", open_file)
    report = gates()[0].verify(package)
    assert "MLS101" in wrong(report)
    assert unread(report) == NAMES[1:]


def test_the_right_file_under_the_wrong_name_is_changed(package, gates):
    """Both are objects that nobody has touched; the manifest says which is which."""
    one, two = package / NAMES[0], package / NAMES[1]
    one.rename(package / "x")
    two.rename(one)
    (package / "x").rename(two)
    report = gates()[0].verify(package)
    assert "MLS101" in wrong(report)
    assert unread(report) == [NAMES[2]]


def test_a_stranger_who_links_to_objects_is_a_stranger(tmp_path, keys, store, gates):
    theirs = make_release(tmp_path, "1.0.0", [keys.outsider], store=store)
    report = gates()[0].verify(theirs)
    assert report.decision.verdict is Verdict.DENY
    assert "MLS205" in wrong(report)


def test_an_untrusted_store_ends_it_all(package, gates, keys, store, tmp_path):
    store.chmod(0o777)
    for use in (
        lambda: gates()[0].verify(package),
        lambda: gates()[1].admit(package),
        lambda: sign(package, keys.outsider.signer, store=store),
        lambda: pack(PackRequest(model=package / "model.onnx", output=tmp_path / "next", store=store)),
    ):
        with pytest.raises(TrustError) as caught:
            use()
        assert caught.value.code == "store.untrusted"
    assert not (tmp_path / "next").exists()


def test_a_store_that_is_not_there_is_said(package, tmp_path, keys):
    with pytest.raises(InputError) as caught:
        sign(package, keys.outsider.signer, store=tmp_path / "nothing")
    assert caught.value.code == "store.missing"


# Others at the same time, and disks.


def test_two_packs_at_once(tmp_path, store, gates):
    model = write_release(tmp_path / "source")
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            pack(PackRequest(model=model, output=tmp_path / f"p-1.0.{number}", algorithm=Algorithm.BLAKE3, store=store))
        except BaseException as err:  # noqa: BLE001 - shown below
            failures.append(err)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for name in NAMES:
        assert len({(tmp_path / f"p-1.0.{n}" / name).stat().st_ino for n in range(4)}) == 1


def test_a_store_on_another_file_system_is_refused(tmp_path):
    model = write_release(tmp_path / "source")
    elsewhere = Path(f"/dev/shm/mlsign-store-{os.getpid()}")
    if os.stat("/dev/shm").st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system only")
    try:
        with pytest.raises(InputError) as caught:
            pack(PackRequest(model=model, output=tmp_path / "p", store=elsewhere))
        assert caught.value.code == "store.device"
        assert not (tmp_path / "p").exists()
    finally:
        shutil.rmtree(elsewhere, ignore_errors=True)


def test_a_full_disk_leaves_no_half_object(tmp_path, command):
    model = write_release(tmp_path / "source")
    disk = tmp_path / "disk"
    disk.mkdir()
    script = (
        'mount -t tmpfs -o size=1500k none "$1" || exit 99; shift; "$@"; code=$?; find "$DISK" -type f -size +64k >&2; exit $code'
    )
    argv = [*command, "pack", str(model), "-o", str(disk / "p"), "--store", str(disk / "store")]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", str(disk), *argv],
        capture_output=True,
        text=True,
        env=os.environ | {"DISK": str(disk)},
    )
    if done.returncode in {1, 99} and "disk is full" not in done.stderr:
        pytest.skip(f"no mount here: {done.stderr.strip()[:100]}")
    assert done.returncode == 4
    assert "the disk is full" in done.stderr
    whole = [line for line in done.stderr.splitlines() if line.startswith(str(disk))]
    assert all("/objects/" in line for line in whole), "nothing but whole objects, and no package"


# The command line.


def run(command, *argv) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command, *map(str, argv)], capture_output=True, text=True)


def test_the_commands(tmp_path, keys, command):
    model, store, place = write_release(tmp_path / "source"), tmp_path / "store", tmp_path / "sum-1.0.0"
    (tmp_path / "key.pem").write_bytes(keys.release.private)
    rules = write_policy(tmp_path / "policy", {"release": (1, [keys.release.public])}, rest="hashing: once\n")
    assert run(command, "pack", model, "-o", place, "--store", store).returncode == 0
    assert run(command, "sign", place, "--key", tmp_path / "key.pem", "--store", store).returncode == 0
    done = run(command, "verify", place, "--policy", rules, "--store", store, "--format", "json")
    assert done.returncode == 0, done.stdout
    assert [(f["path"], f["known_by"]) for f in json.loads(done.stdout)["unread"]] == [(name, "store") for name in NAMES]
    assert run(command, "verify", place, "--policy", rules).returncode == 1
    np.save(tmp_path / "x.npy", np.ones((1, SIDE), dtype=np.float32))
    scoring = ("score", place, "--policy", rules, "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy")
    assert run(command, *scoring).returncode == 1
    assert run(command, *scoring, "--store", store).returncode == 0
    assert np.load(tmp_path / "y.npy").shape == (1, SIDE)
    listed = json.loads(run(command, "store", "list", store, "--format", "json").stdout)
    assert [each["packages"] for each in listed["objects"]] == [1, 1, 1]
    assert run(command, "store", "list", store).stdout.splitlines()[-1] == "3 objects, 3.1 MB"
    assert run(command, "store", "check", store).stdout.strip() == "3 objects in order, 0 not"
    alter(place / NAMES[0])
    done = run(command, "store", "check", store, "--format", "json")
    assert done.returncode == 1
    assert [each["problem"]["code"] for each in json.loads(done.stdout)["objects"] if each["problem"]] == ["store.changed"]
    assert "its bytes are not those that it was made of" in run(command, "store", "check", store).stdout
    done = run(command, "store", "prune", store)
    assert (done.returncode, done.stdout.strip()) == (0, "")
    shutil.rmtree(place)
    assert len(run(command, "store", "prune", store).stdout.split()) == 3
    assert run(command, "store", "list", store, "--format", "json").stdout.strip().endswith("[]\n}")
