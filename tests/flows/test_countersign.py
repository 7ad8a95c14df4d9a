"""Countersignatures: a statement about a bundle, which counts only where a policy asks for one."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from judging import judged
from making import Meanwhile, canonical, make_key, put_signatures

from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.signing.countersign import countersign
from mlsign.actions.signing.sign import sign
from mlsign.errors import InputError, TrustError
from mlsign.evidence.record import Standing
from mlsign.formats.countersignature import Countersignature, decode_countersignature, encode_countersignature
from mlsign.formats.predicate_types import COUNTERSIGNATURE_TYPE, PredicateType, claimed_predicate


@pytest.fixture
def package(package):
    """Nobody has signed it yet."""
    shutil.rmtree(package / "signatures")
    return package


@pytest.fixture
def loaded(tmp_path, keys):
    """The release signs, and a notary, or the release key itself, countersigns what it signed."""
    for name in ("release", "review"):
        (tmp_path / f"{name}.pub").write_bytes(getattr(keys, name).public)
    (tmp_path / "policy.yaml").write_text(
        "apiVersion: mlsign/v1\nkind: Policy\nname: notary\nsigners:\n"
        "  - {name: release, require: 1, any: [{key: release.pub}]}\n"
        "  - {name: notary, require: 1, countersigns: release, any: [{key: review.pub}, {key: release.pub}]}\n"
        "operators: {allow: [inference-v1]}\n"
    )
    return load_policy(tmp_path / "policy.yaml")


def test_a_countersignature_counts_where_it_is_asked_for(package, loaded, keys):
    made = sign(package, keys.release.signer)
    assert judged(package, loaded)[1] == {"MLS205"}
    found = countersign(package, keys.review.signer, bundle=made.bundle, policy=loaded)
    assert (found.over, found.signer) == (made.bundle, keys.release.signer.identity)
    report, bad = judged(package, loaded)
    assert not bad
    assert {g.name: [s.bundle for s in g.signatures] for g in report.decision.met} == {
        "release": [made.bundle],
        "notary": [found.bundle],
    }
    (record,) = report.evidence.countersignatures
    assert record.standing is Standing.COUNTERSIGNATURE


def test_it_is_no_signature_over_the_package(package, loaded, keys, tmp_path):
    made = sign(package, keys.release.signer)
    countersign(package, keys.review.signer, bundle=made.bundle)
    text = (tmp_path / "policy.yaml").read_text().replace(", countersigns: release", "").replace(", {key: release.pub}]", "]")
    (tmp_path / "policy.yaml").write_text(text)
    assert judged(package, load_policy(tmp_path / "policy.yaml"))[1] == {"MLS205"}
    # and a signature over the package is no countersignature
    sign(package, keys.review.signer)
    assert not judged(package, load_policy(tmp_path / "policy.yaml"))[1]


def test_a_second_signature_is_no_countersignature(package, loaded, keys):
    sign(package, keys.release.signer)
    sign(package, keys.review.signer)
    assert judged(package, loaded)[1] == {"MLS205"}


def test_nobody_countersigns_what_they_signed(package, loaded, keys):
    made = sign(package, keys.release.signer)
    countersign(package, keys.release.signer, bundle=made.bundle)
    assert judged(package, loaded)[1] == {"MLS205"}


def test_it_is_over_one_bundle_and_no_other(package, loaded, keys):
    """The countersigned bundle is taken away, and another by the same key put there: nobody vouched for that one."""
    outsider = sign(package, keys.outsider.signer)
    countersign(package, keys.review.signer, bundle=outsider.bundle)
    sign(package, keys.release.signer)
    assert "MLS205" in judged(package, loaded)[1]


def test_it_lands_in_the_package_that_was_read(package, keys, tmp_path):
    made = sign(package, keys.release.signer)
    moved = tmp_path / "moved"
    found = countersign(package, Meanwhile(keys.review, lambda: package.rename(moved)), bundle=made.bundle)
    assert (moved / found.bundle).exists()
    assert not package.exists()


def test_a_package_that_changes_meanwhile_gets_none(package, keys):
    made = sign(package, keys.release.signer)
    with pytest.raises(InputError) as caught:
        countersign(package, Meanwhile(keys.review, lambda: (package / "x").write_text("x")), bundle=made.bundle)
    assert (caught.value.code, caught.value.where) == ("file.changed", "x")
    assert len(list((package / "signatures").iterdir())) == 1


def test_what_is_not_about_this_package_is_not_vouched_for(package, keys):
    made = sign(package, keys.release.signer)
    (package / "extra.txt").write_text("x")
    with pytest.raises(InputError) as caught:
        countersign(package, keys.review.signer, bundle=made.bundle)
    assert caught.value.code == "countersign.content"


def test_a_signature_by_a_stranger_is_not_vouched_for_under_a_policy(package, loaded, keys):
    made = sign(package, keys.outsider.signer)
    with pytest.raises(TrustError) as caught:
        countersign(package, keys.review.signer, bundle=made.bundle, policy=loaded)
    assert caught.value.code == "signature.unknown_key"
    assert len(list((package / "signatures").iterdir())) == 1


def test_a_genuine_signature_is_not_enough_under_a_policy(package, loaded, keys):
    """The trust root holds more people than the policy asks for: here the notary, and every keyless identity there is."""
    made = sign(package, keys.review.signer)
    with pytest.raises(TrustError) as caught:
        countersign(package, keys.release.signer, bundle=made.bundle, policy=loaded)
    error = caught.value
    assert (error.code, error.where) == ("countersign.signer", made.bundle)
    assert (error.expected, error.found) == ("release.pub", keys.review.signer.identity.unique)
    assert len(list((package / "signatures").iterdir())) == 1


def test_only_a_true_name_is_abbreviated(package, loaded, keys):
    """A stranger names a file as people abbreviate the true one."""
    made = sign(package, keys.release.signer)
    good, folder = package / made.bundle, package / "signatures"
    short = good.name[:14]
    other = Path(shutil.copytree(package, package.parent / "other"))
    bad = (other / sign(other, keys.outsider.signer).bundle).read_bytes()
    for name in (f"{short}0", f"{short}.sigstore.json", "sha256-"):
        (folder / name).write_bytes(bad)
    assert countersign(package, keys.review.signer, bundle=short).over == made.bundle
    assert countersign(package, keys.review.signer, bundle="signatures/" + short).over == made.bundle
    (folder / short).write_bytes(bad)
    with pytest.raises(InputError) as caught:
        countersign(package, keys.review.signer, bundle=short)
    assert (caught.value.code, caught.value.message) == ("countersign.bundle", "names 2 signatures")
    assert countersign(package, keys.review.signer, bundle=good.name).over == made.bundle
    # Other bytes under the true name
    good.write_bytes(bad)
    for name in (good.name, short + good.name[14:20]):
        with pytest.raises(InputError) as caught:
            countersign(package, keys.review.signer, bundle=name)
        assert caught.value.message == "names no signature of the package"


def test_any_name_will_do_when_it_is_given_whole(package, keys):
    made = sign(package, keys.release.signer)
    (package / made.bundle).rename(package / "signatures" / "model.sig")
    assert countersign(package, keys.review.signer, bundle="model.sig").over == "signatures/model.sig"
    with pytest.raises(InputError):
        countersign(package, keys.review.signer, bundle="model")


@pytest.mark.parametrize("name", ["", "nothing", "sha256-"])
def test_one_bundle_must_be_meant(package, keys, name):
    sign(package, keys.release.signer)
    sign(package, keys.review.signer)
    with pytest.raises(InputError) as caught:
        countersign(package, keys.review.signer, bundle=name)
    assert caught.value.code == "countersign.bundle"


def test_neither_junk_nor_a_countersignature_is_vouched_for(package, keys):
    made = sign(package, keys.release.signer)
    second = countersign(package, keys.review.signer, bundle=made.bundle)
    with pytest.raises(InputError) as caught:
        countersign(package, keys.outsider.signer, bundle=second.bundle)
    assert caught.value.code == "countersign.kind"
    (package / "signatures" / "junk").write_text("{}")
    with pytest.raises(InputError) as caught:
        countersign(package, keys.outsider.signer, bundle="junk")
    assert caught.value.code == "countersign.bundle"


def statement(**changes):
    good = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "signatures/x", "digest": {"sha256": "ab" * 32}}],
        "predicateType": COUNTERSIGNATURE_TYPE,
        "predicate": {},
    }
    return canonical({name: value for name, value in (good | changes).items() if value is not None})


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (statement(_type="x"), "countersignature.value"),
        (statement(subject=[]), "countersignature.length"),
        (statement(subject=[{"name": "x", "digest": {"sha256": "AB" * 32}}]), "digest.hex"),
        (statement(subject=[{"name": "x", "digest": {"sha256": "ab" * 32, "sha512": "x"}}]), "countersignature.unknown"),
        (statement(predicate={"x": 1}), "countersignature.unknown"),
        (statement(predicate=None), "countersignature.missing"),
        (statement(extra=1), "countersignature.unknown"),
        (statement(predicateType="x"), "countersignature.value"),
        (b"{" * 100, "json.depth"),
    ],
)
def test_statements_that_are_none_are_refused(package, loaded, keys, payload, code):
    with pytest.raises(InputError) as caught:
        decode_countersignature(payload)
    assert caught.value.code == code
    sign(package, keys.release.signer)
    put_signatures(package, payload, [keys.review], keep=True)
    assert "MLS205" in judged(package, loaded)[1]


def test_what_is_written_is_what_is_read(keys):
    from mlsign.digest import sha256

    value = Countersignature(name="signatures/x", digest=sha256(b"x"))
    assert decode_countersignature(encode_countersignature(value)) == value
    assert claimed_predicate(encode_countersignature(value)) is PredicateType.COUNTERSIGNATURE
    assert claimed_predicate(b"x" * 20_000 + COUNTERSIGNATURE_TYPE.encode()) is None
    assert claimed_predicate(COUNTERSIGNATURE_TYPE.encode()) is None
    assert claimed_predicate(canonical([COUNTERSIGNATURE_TYPE])) is None


def test_a_forged_countersignature_counts_for_nothing(package, loaded, keys):
    made = sign(package, keys.release.signer)
    bundle = countersign(package, make_key().signer, bundle=made.bundle)
    assert "MLS205" in judged(package, loaded)[1]
    from mlsign.formats.bundle import decode_bundle, encode_bundle

    path = package / bundle.bundle
    forged = replace(decode_bundle(path.read_bytes()), key_hint=keys.review.signer.public.hint)
    path.write_bytes(encode_bundle(forged))
    assert {"MLS203", "MLS205"} <= judged(package, loaded)[1]


@pytest.mark.parametrize("target", ["notary", "nobody", "review"])
def test_a_policy_that_nobody_could_meet_is_refused(tmp_path, loaded, target):
    path = tmp_path / "policy.yaml"
    extra = "  - {name: review, require: 1, countersigns: release, any: [{key: review.pub}]}\noperators"
    path.write_text(path.read_text().replace("countersigns: release", f"countersigns: {target}").replace("operators", extra))
    with pytest.raises(InputError) as caught:
        load_policy(path)
    assert caught.value.code == "policy.signers.countersigns"
