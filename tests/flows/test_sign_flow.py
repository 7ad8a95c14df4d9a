"""Signing: only what the manifest lists, once for each key, by any number of signers at a time."""

import json
import os
import shutil
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from local_sigstore import LocalSigstore
from making import Meanwhile, bundle_of, make_key, make_package, put_signatures, write_model, write_policy

import mlsign
from mlsign.actions.packing.pack import PackRequest, pack
from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.signing.countersign import countersign
from mlsign.actions.signing.sign import Addition, RefusedToSign, load_key, sign
from mlsign.actions.verification.verify import VerifyRequest, verify
from mlsign.errors import InputError
from mlsign.formats.bundle import decode_bundle, encode_bundle
from mlsign.identity import Method
from mlsign.limits import DEFAULT
from mlsign.policy.model import Verdict
from mlsign.signers.key_types import KeyType


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    return make_package(tmp_path / "bare")


def content(package: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in package.rglob("*") if p.is_file() and "signatures" not in p.parts}


def test_signing_adds_one_file_and_changes_none(bare, keys):
    before = content(bare)
    signed = sign(bare, keys.release.signer)
    assert content(bare) == before
    assert [f"signatures/{p.name}" for p in (bare / "signatures").iterdir()] == [signed.bundle]
    assert (signed.addition, signed.files, signed.others, signed.name) == (Addition.ADDED, 6, (), "fraud-1.2.0")
    assert signed.identity.method is Method.KEY


def test_what_is_signed_is_read_whatever_its_size(bare, keys):
    """The cap on what strangers may have us read is none on what people sign themselves."""
    signed = sign(bare, keys.release.signer, limits=replace(DEFAULT, max_unvouched_bytes=10))
    assert (signed.addition, signed.files) == (Addition.ADDED, 6)


def test_signing_twice_adds_nothing(bare, keys):
    first = sign(bare, keys.release.signer)
    second = sign(bare, keys.release.signer)
    assert (second.addition, second.bundle) == (Addition.PRESENT, first.bundle)
    assert len(list((bare / "signatures").iterdir())) == 1


def test_a_second_key_adds_a_bundle(bare, keys):
    sign(bare, keys.release.signer)
    second = sign(bare, keys.review.signer)
    assert (second.addition, len(second.others)) == (Addition.ADDED, 1)
    assert len(list((bare / "signatures").iterdir())) == 2


def test_a_bundle_that_was_damaged_is_made_again(bare, keys):
    sign(bare, keys.release.signer)
    place = bundle_of(bare, keys.release)
    place.write_bytes(place.read_bytes()[:-10])
    assert sign(bare, keys.release.signer).addition is Addition.ADDED


def test_a_copy_with_junk_in_it_does_not_stand_for_the_signature(bare, keys, tmp_path):
    """Denied where there is a trust root, and good for a signer who has none: the signer could not mend the package."""
    with LocalSigstore() as service:
        (tmp_path / "root.json").write_text(json.dumps(service.trusted_root()))
    file = write_policy(tmp_path / "p", {"release": (1, [keys.release.public])})
    loaded = load_policy(file, trust_root=tmp_path / "root.json")
    sign(bare, keys.release.signer)
    place = bundle_of(bare, keys.release)
    bundle = decode_bundle(place.read_bytes())
    place.write_bytes(encode_bundle(replace(bundle, material=replace(bundle.material, timestamps=(b"junk",)))))
    assert verify(bare, VerifyRequest(policy=loaded)).decision.verdict is Verdict.DENY
    place.rename(bare / "signatures" / "copy")
    mended = sign(bare, keys.release.signer)
    assert (mended.addition, len(mended.others)) == (Addition.ADDED, 1)
    assert verify(bare, VerifyRequest(policy=loaded)).decision.verdict is Verdict.ALLOW
    again = sign(bare, keys.release.signer)
    assert (again.addition, again.bundle) == (Addition.PRESENT, mended.bundle)


@pytest.mark.parametrize("kind", list(KeyType))
def test_every_curve(bare, tmp_path, kind):
    pair = make_key(kind)
    sign(bare, pair.signer)
    gate = mlsign.Gate.load(write_policy(tmp_path / "p", {"release": (1, [pair.public])}))
    report = gate.verify(bare)
    assert report.decision.verdict is Verdict.ALLOW
    assert sign(bare, pair.signer).addition is Addition.PRESENT


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda p: (p / "model.onnx").write_bytes((p / "model.onnx").read_bytes() + b"\0"), "MLS101"),
        (lambda p: (p / "fraud.onnx.data").write_bytes(b"x" * 60), "MLS101"),
        (lambda p: (p / "MODEL_CARD.md").unlink(), "MLS102"),
        (lambda p: (p / "extra.py").write_text("x"), "MLS103"),
        (lambda p: (p / "link").symlink_to("model.onnx"), "MLS104"),
        (lambda p: os.mkfifo(p / "fifo"), "MLS104"),
        (lambda p: (p / "a\\b").write_text("x"), "MLS105"),
        (lambda p: (p.parent / "second").hardlink_to(p / "model.onnx"), "MLS107"),
        (lambda p: (p / "mlsign.json").write_text("{}"), "MLS109"),
        (lambda p: (p / "mlsign.json").write_bytes((p / "mlsign.json").read_bytes() + b"\n"), "MLS109"),
    ],
)
def test_an_altered_package_is_not_signed(bare, keys, no_hang, spoil, code):
    spoil(bare)
    with pytest.raises(RefusedToSign) as caught:
        sign(bare, keys.release.signer)
    assert code in {f.code for f in caught.value.findings}
    assert not (bare / "signatures").exists()


def test_the_signers_own_statement_does_not_hide_an_extra_file(bare, keys):
    """A genuine statement that ignores docs must not keep sign from seeing what lies there now."""
    from making import canonical, statement_over

    put_signatures(bare, canonical(statement_over(bare, ignore=("docs",))), (keys.release,))
    (bare / "docs").mkdir()
    (bare / "docs" / "extra.py").write_text("x")
    with pytest.raises(RefusedToSign) as caught:
        sign(bare, keys.release.signer)
    assert [(f.code, f.where) for f in caught.value.findings] == [("MLS103", "docs/extra.py")]


def test_a_signature_lands_in_the_package_that_was_read(tmp_path, keys):
    """``current`` leads to the next release by the time that the timestamp is there."""
    old, new = make_package(tmp_path, name="fraud-1.2.0"), make_package(tmp_path, name="fraud-1.3.0", version="1.3.0")
    current = tmp_path / "current"
    current.symlink_to(old)

    def deploy():
        current.unlink()
        current.symlink_to(new)

    signed = sign(current, Meanwhile(keys.release, deploy))
    assert (signed.name, (old / signed.bundle).exists()) == ("fraud-1.2.0", True)
    assert not (new / "signatures").exists()


def rewrite(path):
    """Other bytes of the same length, and the times that the file had."""
    status = path.stat()
    path.write_bytes(path.read_bytes().swapcase())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    ("happen", "where"),
    [
        (lambda p: rewrite(p / "MODEL_CARD.md"), "MODEL_CARD.md"),
        (lambda p: (p / "model.onnx").unlink(), "model.onnx"),
        (lambda p: (p / "extra.py").write_text("x"), "extra.py"),
        (lambda p: (p.parent / "second").hardlink_to(p / "model.onnx"), "model.onnx"),
        (lambda p: shutil.copy2(p / "model.onnx", p / "x") and (p / "x").replace(p / "model.onnx"), "model.onnx"),
    ],
)
def test_a_package_that_changes_meanwhile_gets_no_signature(bare, keys, happen, where):
    with pytest.raises(InputError) as caught:
        sign(bare, Meanwhile(keys.release, lambda: happen(bare)))
    assert (caught.value.code, caught.value.where) == ("file.changed", where)
    assert not (bare / "signatures").exists()


def test_another_signer_meanwhile_is_no_change(bare, keys):
    sign(bare, Meanwhile(keys.release, lambda: sign(bare, keys.review.signer)))
    assert len(list((bare / "signatures").iterdir())) == 2


def fail():
    raise AssertionError("the signer was asked")


def test_no_signature_is_added_beyond_what_is_read(bare, keys, tmp_path):
    """One more than verify looks at, and nobody could verify the package again."""
    gate = mlsign.Gate.load(write_policy(tmp_path / "p", {"release": (1, [keys.release.public])}))
    mine = sign(bare, keys.release.signer)
    for number in range(DEFAULT.max_bundles - 1):
        (bare / "signatures" / f"{number}").touch()
    with pytest.raises(InputError) as caught:
        sign(bare, Meanwhile(keys.review, fail))
    assert (caught.value.code, "remove" in caught.value.hint) == ("package.bundles", True)
    with pytest.raises(InputError) as caught:
        countersign(bare, Meanwhile(keys.review, fail), bundle=mine.bundle)
    assert caught.value.code == "package.bundles"
    assert sign(bare, keys.release.signer).addition is Addition.PRESENT
    assert gate.verify(bare).decision.verdict is Verdict.ALLOW
    # With room for one: the last one is taken by somebody else meanwhile.
    (bare / "signatures" / "0").unlink()
    with pytest.raises(InputError) as caught:
        sign(bare, Meanwhile(keys.review, (bare / "signatures" / "0").touch))
    assert caught.value.code == "package.bundles"
    assert len(list((bare / "signatures").iterdir())) == DEFAULT.max_bundles


def test_no_signature_is_added_beyond_the_bytes_that_are_read(bare, keys):
    size = (bare / sign(bare, keys.release.signer).bundle).stat().st_size
    with pytest.raises(InputError) as caught:
        sign(bare, keys.review.signer, limits=replace(DEFAULT, max_bundles_bytes=size + 100))
    assert caught.value.code == "package.bundles"
    assert len(list((bare / "signatures").iterdir())) == 1


def test_what_is_no_package_is_not_signed(tmp_path, keys):
    (tmp_path / "empty").mkdir()
    model = write_model(tmp_path / "m.onnx")
    for path in (tmp_path / "empty", model):
        with pytest.raises(InputError) as caught:
            sign(path, keys.release.signer)
        assert caught.value.code == "sign.manifest"
    with pytest.raises(InputError) as caught:
        sign(tmp_path / "gone", keys.release.signer)
    assert caught.value.code == "package.missing"


def test_many_threads_sign_at_once(bare, tmp_path):
    pairs = [make_key() for _ in range(6)]
    barrier = threading.Barrier(len(pairs))
    done: list[Addition] = []

    def one(pair) -> None:
        barrier.wait()
        done.append(sign(bare, pair.signer).addition)

    threads = [threading.Thread(target=one, args=(pair,)) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [Addition.ADDED] * len(pairs)
    gate = mlsign.Gate.load(write_policy(tmp_path / "p", {"all": (len(pairs), [p.public for p in pairs])}))
    assert gate.verify(bare).decision.verdict is Verdict.ALLOW


def test_two_processes_sign_at_once(bare, tmp_path, command):
    pairs = [make_key(), make_key()]
    processes = []
    for number, pair in enumerate(pairs):
        key = tmp_path / f"{number}.key"
        key.write_bytes(pair.private)
        processes.append(subprocess.Popen([*command, "sign", str(bare), "--key", str(key), "--quiet"]))
    assert [p.wait() for p in processes] == [0, 0]
    gate = mlsign.Gate.load(write_policy(tmp_path / "p", {"all": (2, [p.public for p in pairs])}))
    assert gate.verify(bare).decision.verdict is Verdict.ALLOW


def test_an_encrypted_key_opens_with_its_password_only(tmp_path):
    pair = mlsign.keygen(tmp_path / "k", mlsign.KeygenRequest(kind=KeyType.P256, password=b"right"))
    assert pair.private_path.stat().st_mode & 0o777 == 0o600
    assert load_key(pair.private_path, ask_password=lambda: b"right").public == pair.public
    for wrong in (b"wrong", b"", b"right\n"):
        with pytest.raises(InputError) as caught:
            load_key(pair.private_path, ask_password=lambda wrong=wrong: wrong)
        assert caught.value.code == "key.password"


def test_keys_are_never_overwritten(tmp_path):
    request = mlsign.KeygenRequest(kind=KeyType.P256, password=None)
    pair = mlsign.keygen(tmp_path / "k", request)
    before = pair.private_path.read_bytes()
    with pytest.raises(InputError) as caught:
        mlsign.keygen(tmp_path / "k", request)
    assert caught.value.code == "output.exists"
    pair.private_path.unlink()
    with pytest.raises(InputError):
        mlsign.keygen(tmp_path / "k", request)
    # The public half was in the way: no private half is left behind that nobody knows.
    assert not pair.private_path.exists()
    assert before


def test_a_signed_package_can_be_copied_and_moved(bare, keys, tmp_path):
    sign(bare, keys.release.signer)
    gate = mlsign.Gate.load(write_policy(tmp_path / "p", {"release": (1, [keys.release.public])}))
    copy = shutil.copytree(bare, tmp_path / "another-name")
    assert gate.verify(copy).decision.verdict is Verdict.ALLOW
    (tmp_path / "current").symlink_to(copy)
    assert gate.verify(tmp_path / "current").decision.verdict is Verdict.ALLOW


def test_a_package_with_blake3_is_signed_and_verified(tmp_path, keys):
    from mlsign.digest import Algorithm

    packed = pack(PackRequest(model=write_model(tmp_path / "m.onnx"), output=tmp_path / "x", algorithm=Algorithm.BLAKE3))
    sign(packed.path, keys.release.signer)
    groups = {"release": (1, [keys.release.public])}
    assert mlsign.Gate.load(write_policy(tmp_path / "p", groups)).verify(packed.path).decision.verdict is Verdict.ALLOW
    only = mlsign.Gate.load(write_policy(tmp_path / "q", groups, digests="[sha256]"))
    assert only.verify(packed.path).decision.verdict is Verdict.DENY
