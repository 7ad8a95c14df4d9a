"""How the Python client signs with a local Sigstore."""

import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fake_http import ask
from fake_pki import b64


@pytest.fixture(scope="session")
def config():
    """Makes the trust configuration of a local Sigstore as the Python client reads it."""
    models = pytest.importorskip("sigstore.models", reason="the Python client of Sigstore is not installed")

    def make(sigstore, **options):
        return models.ClientTrustConfig.from_json(json.dumps(sigstore.trust_config(**options)))

    return make


@pytest.fixture(scope="session")
def sign(config):
    """Signs bytes, or a statement, as whoever a token says."""
    from sigstore.oidc import IdentityToken
    from sigstore.sign import SigningContext

    def make(sigstore, token, *, what=b"hello", **options):
        with SigningContext.from_trust_config(config(sigstore, **options)).signer(IdentityToken(token)) as signer:
            return signer.sign_artifact(what) if isinstance(what, bytes) else signer.sign_dsse(what)

    return make


@pytest.fixture(scope="session")
def certify():
    """Asks for a certificate with a token, and gives back status and body of the answer."""

    def request(sigstore, token, *, csr=None, key=None):
        if csr is None:
            builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
            signed = builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
            csr = signed.public_bytes(serialization.Encoding.PEM)
        headers = {"Authorization": f"Bearer {token}"}
        return ask(f"{sigstore.url}/api/v2/signingCert", {"certificateSigningRequest": b64(csr)}, headers=headers)

    return request
