"""Whom a certificate names, before anything of it is proven."""

import pytest
from certificate_authority import issue
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from keyless_material import issue_identity

from mlsign.errors import MlsignError
from mlsign.formats.bundle import Material
from mlsign.identity import Method
from mlsign.trust.claimed import claimed_holder


def holder(der, method):
    return claimed_holder(Material(certificates=(der,)), method=method)


def test_a_keyless_one_names_the_issuer_of_the_token_and_not_that_of_the_certificate(sigstore):
    certificate = issue_identity(sigstore, ec.generate_private_key(ec.SECP256R1()), name=x509.RFC822Name("dev@example.com"))
    from cryptography.hazmat.primitives.serialization import Encoding

    assert holder(certificate.public_bytes(Encoding.DER), Method.KEYLESS) == ("dev@example.com", sigstore.issuer)


def test_a_certificate_names_its_subject_or_else_its_alternative_names():
    root = issue("Acme", ca=True)
    mail = x509.RFC822Name("release@acme.example")
    assert holder(issue("Release", root, names=[mail]).der, Method.CERTIFICATE) == ("CN=Release", "CN=Acme")
    assert holder(issue(x509.Name([]), root, names=[mail]).der, Method.CERTIFICATE) == ("email:release@acme.example", "CN=Acme")


@pytest.mark.parametrize("method", [Method.KEYLESS, Method.CERTIFICATE])
def test_what_is_no_certificate_is_refused(method):
    with pytest.raises(MlsignError) as caught:
        holder(b"\x30\x00", method)
    assert caught.value.code == "certificate.format"


def test_a_certificate_that_only_calls_itself_keyless_is_refused():
    with pytest.raises(MlsignError) as caught:
        holder(issue("Release").der, Method.KEYLESS)
    assert caught.value.code == "certificate.identity"
