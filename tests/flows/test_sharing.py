"""A new version of a model in the memory of the one before it: what is the same is not read, and nothing else is different."""

import hashlib
import os
import threading
from dataclasses import replace

import numpy as np
import pytest
from blake3 import blake3
from making import make_key, resign, write_policy
from releases import BYTES, FILES, SIDE, make_release

from mlsign.actions.scoring.score import Scorer
from mlsign.actions.verification.admit import AdmittedModel, Denied
from mlsign.actions.verification.attest_verdict import attest_verdict
from mlsign.actions.verification.gate import Gate
from mlsign.actions.verification.known import KnownFiles
from mlsign.actions.verification.verify import VerifyRequest
from mlsign.digest import Algorithm, Digest
from mlsign.errors import TrustError
from mlsign.evidence.findings import Outcome
from mlsign.evidence.record import KnownBy
from mlsign.package.read import OpenPackage
from mlsign.package.sealed import SealedMemory
from mlsign.paths import PackagePath
from mlsign.report.as_json import render_report

pytestmark = pytest.mark.linux
SAME = ["model.onnx", "w0.bin", "w1.bin"]
"""Files of the second release that the first one has as well: the model names its weights and has none in it."""


@pytest.fixture(scope="module")
def first(tmp_path_factory, keys):
    return make_release(tmp_path_factory.mktemp("first"), "1.0.0", keys.both)


@pytest.fixture
def second(tmp_path, keys):
    """The same but for one file of weights."""
    return make_release(tmp_path, "1.1.0", keys.both, seeds=(0, 1, 7))


def unread(model: AdmittedModel) -> list[str]:
    files = model.report.evidence.unread
    assert all(file.known_by is KnownBy.SEALED_MEMORY for file in files)
    return [str(file.path) for file in files]


def same_memory(one: SealedMemory, other: SealedMemory) -> bool:
    return os.fstat(one.fd).st_ino == os.fstat(other.fd).st_ino


def gate_with(folder, keys, **more) -> Gate:
    groups = {"release": (1, [keys.release.public]), "review": (1, [keys.review.public])}
    return Gate.load(write_policy(folder / "policy", groups, **more))


def test_what_is_the_same_is_one_memory_and_the_answers_are_those_of_the_new_version(first, second, gate):
    x = np.ones((1, SIDE), dtype=np.float32)
    with gate.admit(second) as alone, Scorer(alone) as scorer:
        expected = scorer.run({"x": x})["y"]
    with gate.admit(first) as old, gate.admit(second, sharing=[old]) as new:
        assert unread(new) == SAME
        assert [same_memory(old.sealed[path], new.sealed[path]) for path in FILES] == [True, True, False]
        (said,) = (f for f in new.report.decision.findings if f.code == "MLS116")
        assert said.outcome is Outcome.PASS
        assert said.message.startswith("3 files, 2.1 MB, were hashed before, in memory that is sealed")
        assert '"known_by": "sealed-memory"' in render_report(new.report)
        assert not old.report.evidence.unread
        with Scorer(new) as scorer:
            assert np.array_equal(scorer.run({"x": x})["y"], expected)
        # evidence is what it is without sharing, but for how it came about
        assert replace(new.report.evidence, unread=()) == alone.report.evidence


def test_files_in_the_folder_are_not_opened(first, second, gate, monkeypatch):
    with gate.admit(first) as old:
        opened: list[str] = []
        open_file = OpenPackage.open_file
        monkeypatch.setattr(OpenPackage, "open_file", lambda self, path: opened.append(str(path)) or open_file(self, path))
        gate.admit(second, sharing=[old]).close()
    assert {"mlsign.json", "w2.bin"} <= set(opened)
    assert not set(SAME) & set(opened)


def test_either_may_be_closed_first(first, second, gate):
    x = np.ones((1, SIDE), dtype=np.float32)
    old = gate.admit(first)
    new = gate.admit(second, sharing=[old])
    old.close()
    with new, Scorer(new) as scorer:
        assert scorer.run({"x": x})["y"].shape == (1, SIDE)
        with gate.admit(first, sharing=[new]) as again:
            assert unread(again) == SAME


def test_a_closed_model_has_nothing_to_share(first, second, gate):
    old = gate.admit(first)
    old.close()
    with gate.admit(second, sharing=[old]) as new:
        assert unread(new) == []
        assert all(memory.size == BYTES for memory in new.weights.values())


def test_the_same_package_again_reads_neither_model_nor_weights(first, gate):
    with gate.admit(first) as one, gate.admit(first, sharing=[one]) as two:
        assert {file.path for file in two.report.evidence.unread} == {*FILES, PackagePath("model.onnx")}
        assert two.summary == one.summary


# What the folder holds.


def test_an_altered_file_in_the_folder_is_never_what_serves(first, second, gate):
    """Without sharing it is denied, with sharing the bytes that were signed are used: the altered ones by nobody."""
    path = second / "w0.bin"
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)
    with gate.admit(first) as old:
        with pytest.raises(Denied):
            gate.admit(second)
        with gate.admit(second, sharing=[old]) as new:
            assert unread(new) == SAME
            assert new.sealed[FILES[0]].read_at(0, BYTES) == (first / "w0.bin").read_bytes() != bytes(data)


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        (lambda path: path.unlink(), "MLS102"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "MLS101"),
        (lambda path: (path.rename(path.with_name("x")), path.symlink_to("x")), "MLS104"),
        (lambda path: os.link(path, path.parent.parent / "elsewhere"), "MLS107"),
    ],
)
def test_the_list_of_files_is_held_against_the_folder_as_ever(first, second, gate, attack, code):
    attack(second / "w0.bin")
    with gate.admit(first) as old, pytest.raises(Denied) as caught:
        gate.admit(second, sharing=[old])
    assert code in {f.code for f in caught.value.report.decision.findings if f.outcome is not Outcome.PASS}


# Who may share.


def test_a_stranger_gets_nothing_for_knowing_a_digest(first, tmp_path, keys):
    """Whoever names the digest of weights without having them must not get a model that runs with them."""
    gate = gate_with(tmp_path, keys, rest="mode: audit\n")
    theirs = make_release(tmp_path, "1.1.0", [keys.outsider], seeds=(0, 1, 7))
    for name in ("w0.bin", "w1.bin"):
        (theirs / name).write_bytes(bytes(BYTES))
    with gate.admit(first) as old, gate.admit(theirs, sharing=[old]) as new:
        assert unread(new) == []
        assert new.sealed[FILES[0]].read_at(0, BYTES) == bytes(BYTES)
        assert new.report.decision.verdict.value == "deny"


def test_a_manifest_that_was_changed_after_signing_shares_nothing(first, second, tmp_path, keys):
    gate = gate_with(tmp_path, keys, rest="mode: audit\n")
    manifest = second / "mlsign.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"sum"', b'"som"'))
    with gate.admit(first) as old, gate.admit(second, sharing=[old]) as new:
        assert unread(new) == []


def test_where_a_summary_may_stand_in_for_signatures_the_policy_says_whether_memory_may_for_reading(
    first, second, tmp_path, keys
):
    gatekeeper = make_key()
    for stores, expected in (("", []), (", stores: [sealed-memory]", SAME)):
        folder = tmp_path / f"policy{len(stores)}"
        (folder / "keys").mkdir(parents=True)
        (folder / "keys" / "gate.pub").write_bytes(gatekeeper.public)
        rest = f"vsa: {{accept: [{{key: keys/gate.pub}}], max_age: 24h{stores}}}\n"
        groups = {"release": (1, [keys.release.public])}
        gate = Gate.load(write_policy(folder, groups, rest=rest))
        attest_verdict(second, VerifyRequest(policy=gate.policy), gatekeeper.signer)
        with gate.admit(first) as old, gate.admit(second, sharing=[old], accept_vsa=("keys/gate.pub",)) as new:
            assert unread(new) == expected


# By which digests.


def test_digests_that_were_never_asked_for_are_computed_over_the_sealed_bytes(first, second, gate, keys):
    """A statement by another algorithm than the manifest's, and revocation, which asks for all."""
    resign(second, keys.both, algorithm="sha256")
    with gate.admit(first) as old:
        assert set(old.sealed[FILES[0]].digests) == {Algorithm.BLAKE3}
        with gate.admit(second, sharing=[old]) as new:
            assert unread(new) == SAME
            assert Algorithm.SHA256 in old.sealed[FILES[0]].digests


def test_a_statement_with_a_wrong_digest_is_refused_whatever_the_manifest_says(first, second, gate, keys):
    def lie(statement):
        (resource,) = [r for r in statement["predicate"]["resources"] if r["name"] == "w0.bin"]
        resource["digest"] = "ab" * 32
        digests = b"".join(bytes.fromhex(r["digest"]) for r in statement["predicate"]["resources"])
        statement["subject"][0]["digest"]["sha256"] = hashlib.sha256(digests).hexdigest()

    resign(second, keys.both, lie, algorithm="sha256")
    with gate.admit(first) as old, pytest.raises(Denied):
        gate.admit(second, sharing=[old])


def test_a_revoked_file_is_found_in_shared_memory_by_an_algorithm_that_nobody_asked_for_before(
    first, second, gate, tmp_path, keys
):
    hexed = hashlib.blake2b((first / "w0.bin").read_bytes()).hexdigest()
    revoked = f'revoked: [{{file: "blake2b:{hexed}", reason: poisoned}}]\n'
    strict = gate_with(tmp_path, keys, digests="[sha256, blake3, blake2b]", rest=revoked)
    with gate.admit(first) as old, pytest.raises(Denied) as caught:
        strict.admit(second, sharing=[old])
    assert "MLS401" in {f.code for f in caught.value.report.decision.findings if f.outcome is not Outcome.PASS}


def test_memory_of_that_digest_and_another_size_is_not_taken(first, gate):
    """A manifest that claims another size than the digest has: whatever it says, the file is looked at."""
    with gate.admit(first) as old:
        memory = old.sealed[FILES[0]]
        known = KnownFiles(sharing=[memory])
        known.expect({FILES[0]: memory.digests[Algorithm.BLAKE3]})
        assert known.share(FILES[0], size=BYTES - 1) is None
        assert known.unread == ()
        shared = known.share(FILES[0], size=BYTES)
        assert shared is not None
        shared.close()


def test_memory_is_known_by_the_digests_of_its_bytes(first, gate):
    with gate.admit(first) as old:
        for path, memory in old.sealed.items():
            for digest in memory.hashed(Algorithm):
                data = (first / path).read_bytes()
                value = (
                    blake3(data).digest()
                    if digest.algorithm is Algorithm.BLAKE3
                    else hashlib.new(digest.algorithm.value, data).digest()
                )
                assert digest == Digest(algorithm=digest.algorithm, value=value)


# Memory that is not what it was.


def test_memory_whose_descriptor_is_another_file_by_now_is_not_shared(first, gate):
    with gate.admit(first) as old:
        memory, other = old.sealed[FILES[0]], old.sealed[FILES[1]]
        os.dup2(other.fd, memory.fd, inheritable=False)  # as if closed, and the number taken by another sealed memory
        with pytest.raises(TrustError) as caught:
            memory.share()
        assert caught.value.code == "sealed.open"
        fd = os.open(os.devnull, os.O_RDONLY)
        os.dup2(fd, memory.fd, inheritable=False)
        os.close(fd)
        with pytest.raises(TrustError):
            memory.share()


def test_many_threads_share_while_the_model_is_closed(first, second, gate):
    old = gate.admit(first)
    failures: list[BaseException] = []
    started = threading.Barrier(5)

    def run() -> None:
        started.wait()
        try:
            for _ in range(4):
                with gate.admit(second, sharing=[old]) as new:
                    for path in FILES[:2]:
                        assert new.sealed[path].read_at(0, BYTES) == (first / path).read_bytes()
        except BaseException as err:  # noqa: BLE001 - shown below
            failures.append(err)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    started.wait()
    old.close()
    for thread in threads:
        thread.join()
    assert failures == []
