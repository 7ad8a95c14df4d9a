"""The certificate authority certifies checked tokens and proven keys, and nothing else."""

import base64
import json
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fake_http import ask
from fake_pki import P256, b64, pem

TOKENS = {
    "Audience": lambda oidc: oidc.email_token(audience="somebody else"),
    "expired": lambda oidc: oidc.expired_token(),
    "not valid yet": lambda oidc: oidc.email_token(age=timedelta(hours=-1)),
    "Signature": lambda oidc: oidc.forged_token(),
    "issuer": lambda oidc: oidc.token({"iss": "https://issuer.example", "sub": "x", "email": "a@b.example"}),
    "not verified": lambda oidc: oidc.email_token(verified=False),
    '"exp"': lambda oidc: oidc.token({"sub": "x", "exp": None}),
    "neither": lambda oidc: oidc.token({"sub": "somebody"}),
    "unknown key": lambda _: "e30.e30.AAAA",
    "malformed": lambda oidc: oidc.workflow_token(claims={"repository_id": None}),
}


@pytest.mark.parametrize("reason", TOKENS)
def test_a_bad_token_gets_no_certificate(sigstore, reason, certify):
    before = len(sigstore.fulcio.issued)
    status, body = certify(sigstore, TOKENS[reason](sigstore.oidc))
    assert (status, reason in json.loads(body)["message"].replace('\\"', '"')) == (400, True), body
    assert len(sigstore.fulcio.issued) == before


def test_no_token_gets_no_certificate(sigstore):
    assert ask(f"{sigstore.url}/api/v2/signingCert", {"certificateSigningRequest": ""})[0] == 401


def test_a_request_must_be_signed_by_its_key(sigstore, certify):
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    der = csr.public_bytes(serialization.Encoding.DER)
    changed = der[:-1] + bytes([der[-1] ^ 1])
    broken = b"-----BEGIN CERTIFICATE REQUEST-----\n" + base64.encodebytes(changed) + b"-----END CERTIFICATE REQUEST-----\n"
    status, body = certify(sigstore, sigstore.oidc.email_token(), csr=broken)
    assert (status, b"could not be verified" in body) == (400, True), body
    assert certify(sigstore, sigstore.oidc.email_token(), csr=b"nonsense")[0] == 400


@pytest.mark.parametrize(("proved", "status"), [("a@b.example", 201), ("x@b.example", 400)])
def test_a_public_key_needs_a_proof_over_the_identity(sigstore, proved, status):
    key = ec.generate_private_key(ec.SECP256R1())
    body = {
        "credentials": {"oidcIdentityToken": sigstore.oidc.email_token("a@b.example")},
        "publicKeyRequest": {
            "publicKey": {"algorithm": "ECDSA", "content": pem(key.public_key()).decode()},
            "proofOfPossession": b64(key.sign(proved.encode(), P256)),
        },
    }
    assert ask(f"{sigstore.url}/api/v2/signingCert", body)[0] == status


def test_federated_issuer_goes_into_the_certificate(sigstore, certify):
    federated = {"connector_id": "https://accounts.example"}
    token = sigstore.oidc.token({"sub": "x", "email": "a@b.example", "email_verified": True, "federated_claims": federated})
    status, body = certify(sigstore, token)
    leaf = json.loads(body)["signedCertificateEmbeddedSct"]["chain"]["certificates"][0]
    extensions = x509.load_pem_x509_certificate(leaf.encode()).extensions
    issuer = extensions.get_extension_for_oid(x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")).value.value
    assert (status, issuer) == (201, b"https://accounts.example")
