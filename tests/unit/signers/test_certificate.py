"""Signing with a certified key, and what is refused before anything is signed."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from certificate_authority import NOW, SERVER_AUTH, issue, make_organisation
from making import make_key

from mlsign.actions.signing.load_certificate import load_certificate_signer
from mlsign.actions.signing.sign import Addition, sign
from mlsign.errors import InputError, MlsignError, OutsideError, TrustError
from mlsign.formats.bundle import MAX_CERTIFICATES, Material, decode_bundle, encode_bundle
from mlsign.formats.dsse import IN_TOTO_TYPE, Envelope
from mlsign.identity import Method
from mlsign.limits import Limits
from mlsign.signers.certificate import CertificateSigner
from mlsign.trust.authenticate import authenticate_envelope
from mlsign.trust.root import CertificateTrust, TrustRoot

O = make_organisation()  # noqa: E741


def refused(call, *args, **how):
    with pytest.raises(MlsignError) as caught:
        call(*args, **how)
    return caught.value.code


def write(folder, **files):
    paths = {}
    for name, certified in files.items():
        paths[name] = folder / f"{name}.pem"
        paths[name].write_bytes(b"".join(each.pem for each in certified))
    return paths


def test_a_bundle_with_the_chain_and_without_the_root():
    signer = CertificateSigner(O.leaf.signer, chain=(*O.chain, O.root.der), trust=O.trust, now=NOW)
    bundle = decode_bundle(encode_bundle(signer.sign(b"{}")))
    assert (bundle.method, bundle.key_hint) == (Method.CERTIFICATE, "")
    assert bundle.material == Material(certificates=O.chain)
    assert bundle == signer.sign(b"{}")
    assert signer.material == bundle.material
    found, payload = authenticate_envelope(bundle, root=signer.trust, now=NOW)
    assert (found.identity, payload) == (signer.identity, b"{}")
    assert signer.trust == TrustRoot(keys=(), authorities=(O.trust,))


def test_a_key_on_a_token_signs_as_well():
    class Token:
        public = O.leaf.signer.public

        def sign(self, _payload):
            raise OutsideError("the token was removed", code="pkcs11.removed")

    signer = CertificateSigner(Token(), chain=O.chain, trust=O.trust, now=NOW)
    assert refused(signer.sign, b"{}") == "pkcs11.removed"


def test_a_signature_that_the_key_did_not_make_is_not_believed():
    class Broken:
        public = O.leaf.signer.public

        def sign(self, payload):
            made = O.leaf.signer.sign(payload)
            envelope = Envelope(
                payload_type=IN_TOTO_TYPE, unauthenticated_payload=payload, signature=made.envelope.signature[:-1] + b"\0"
            )
            return type(made)(method=made.method, key_hint=made.key_hint, envelope=envelope)

    signer = CertificateSigner(Broken(), chain=O.chain, trust=O.trust, now=NOW)
    assert refused(authenticate_envelope, signer.sign(b"{}"), root=signer.trust, now=NOW) == "signature.invalid"


@pytest.mark.parametrize(
    ("key", "chain", "now", "code"),
    [
        (make_key().signer, O.chain, NOW, "certificate.key"),
        (O.leaf.signer, O.chain, NOW + timedelta(days=400), "certificate.time"),
        (O.leaf.signer, O.chain, NOW - timedelta(days=400), "certificate.time"),
        (O.leaf.signer, O.chain[:1], NOW, "certificate.chain"),
        (O.middle.signer, (O.middle.der,), NOW, "certificate.usage"),
        (O.leaf.signer, (O.leaf.der, *(O.middle.der for _ in range(MAX_CERTIFICATES))), NOW, "certificate.length"),
        (O.leaf.signer, (b"\x30\x00",), NOW, "certificate.format"),
    ],
    ids=["another key", "expired", "not yet valid", "gap", "authority", "too many", "no certificate"],
)
def test_what_cannot_sign(key, chain, now, code):
    assert refused(CertificateSigner, key, chain=chain, trust=O.trust, now=now) == code


def test_without_a_time_it_is_now():
    fresh = make_organisation(since=NOW - timedelta(days=4000), until=NOW + timedelta(days=4000))
    assert CertificateSigner(fresh.leaf.signer, chain=fresh.chain, trust=fresh.trust)
    old = make_organisation(since=NOW - timedelta(days=4000), until=NOW - timedelta(days=3999))
    assert refused(CertificateSigner, old.leaf.signer, chain=old.chain, trust=old.trust) == "certificate.time"


# From files


@pytest.mark.parametrize("how", ["one file", "two files", "without the root", "with its own", "another order", "nothing above"])
def test_a_signer_from_files(tmp_path, how):
    files = {
        "one file": {"a": (O.middle, O.root)},
        "two files": {"a": (O.middle,), "b": (O.root,)},
        "without the root": {"a": (O.middle,)},
        "with its own": {"a": (O.leaf, O.middle, O.root)},
        "another order": {"a": (O.root, O.middle)},
        "nothing above": {},
    }[how]
    paths = write(tmp_path, leaf=(O.leaf,), **files)
    leaf = paths.pop("leaf")
    signer = load_certificate_signer(O.leaf.signer, certificate=leaf, chain=tuple(paths.values()), now=NOW)
    above = () if how == "nothing above" else (O.middle.der,)
    assert signer.sign(b"{}").material.certificates == (O.leaf.der, *above)
    anchor = {"without the root": O.middle, "nothing above": O.leaf}.get(how, O.root)
    assert signer.trust.authorities == (CertificateTrust(anchors=(anchor.der,)),)
    assert authenticate_envelope(signer.sign(b"{}"), root=signer.trust, now=NOW)


def test_a_copy_without_a_certificate_does_not_stand_for_the_signature(tmp_path, good_package):
    """Enough for a signer who did not name the root, and for nobody who verifies by it."""
    paths = write(tmp_path, leaf=(O.leaf,), above=(O.middle,))
    signer = load_certificate_signer(O.leaf.signer, certificate=paths["leaf"], chain=(paths["above"],), now=NOW)
    package = Path(shutil.copytree(good_package, tmp_path / "fraud-1.2.0"))
    place = package / sign(package, signer, now=NOW).bundle
    bundle = decode_bundle(place.read_bytes())
    place.unlink()
    (package / "signatures" / "copy").write_bytes(encode_bundle(replace(bundle, material=Material(certificates=(O.leaf.der,)))))
    assert sign(package, signer, now=NOW).addition is Addition.ADDED
    assert sign(package, signer, now=NOW).addition is Addition.PRESENT


def test_files_that_do_not_fit(tmp_path):
    other = make_organisation()
    paths = write(
        tmp_path,
        leaf=(O.leaf,),
        two=(O.leaf, O.middle),
        middle=(O.middle,),
        other=(other.middle, other.root),
        web=(issue("web", O.middle, key=O.leaf.key, extended=SERVER_AUTH),),
    )
    (tmp_path / "key.pem").write_bytes(O.leaf.private_pem)

    def load(name, *chain, **how):
        return refused(
            load_certificate_signer,
            O.leaf.signer,
            certificate=tmp_path / f"{name}.pem",
            chain=tuple(paths[c] for c in chain),
            **{"now": NOW} | how,
        )

    assert load("two") == "certificate.several"
    assert load("key") == "certificate.private"
    assert load("none") == "certificate.missing"
    assert load("leaf", limits=Limits(max_key_bytes=100)) == "file.size"
    assert load("leaf", "other") == "certificate.chain"
    assert load("web", "middle") == "certificate.usage"
    assert load("middle") == "certificate.key"
    assert load("leaf", "middle", now=NOW + timedelta(days=400)) == "certificate.time"
    with pytest.raises(InputError):
        load_certificate_signer(O.leaf.signer, certificate=tmp_path, now=NOW)


def test_a_package_is_signed_once_by_each_certificate(package):
    signer, other = O.signer(), make_organisation().signer()
    first = sign(package, signer, now=NOW)
    assert (first.addition, first.identity) == (Addition.ADDED, signer.identity)
    again = sign(package, signer, now=NOW)
    assert (again.addition, again.bundle) == (Addition.PRESENT, first.bundle)
    assert sign(package, other, now=NOW).addition is Addition.ADDED
    with pytest.raises(TrustError):
        sign(package, signer, now=NOW + timedelta(days=400))
