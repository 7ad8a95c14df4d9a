"""The JavaScript verifier accepts what the local Sigstore gives to the Python client, and refuses what it should."""

import json

import pytest
from making import bundle_of, make_key, make_package
from sigstore_js import NO_LOG, js_folder, verify_with_js

sigstore_sign = pytest.importorskip("sigstore.sign", reason="the Python client of Sigstore is not installed")

WORKFLOW = "https://github.com/acme/fraud/.github/workflows/release.yml@refs/tags/v1.2.0"


@pytest.fixture(scope="module", autouse=True)
def _packages():
    js_folder()


def signer(sigstore, *, rekor, token, timestamps=None):
    from sigstore.models import ClientTrustConfig
    from sigstore.oidc import IdentityToken

    config = ClientTrustConfig.from_json(json.dumps(sigstore.trust_config(rekor=rekor, timestamps=timestamps)))
    return sigstore_sign.SigningContext.from_trust_config(config).signer(IdentityToken(token))


def statement():
    from sigstore import dsse

    subject = dsse.Subject(name="model", digest={"sha256": "00" * 32})
    builder = dsse.StatementBuilder().subjects([subject]).predicate_type("https://model_signing/signature/v1.0")
    return builder.predicate({}).build()


@pytest.mark.parametrize("rekor", [1, 2])
def test_what_the_python_client_signs_is_accepted(sigstore, rekor):
    with signer(sigstore, rekor=rekor, token=sigstore.oidc.workflow_token()) as keyless:
        bundle, artifact = keyless.sign_dsse(statement()).to_json(), keyless.sign_artifact(b"hello").to_json()
    trust = {"trusted_root": sigstore.trusted_root(), "identity": WORKFLOW, "issuer": sigstore.issuer}
    for answer in (verify_with_js(bundle, **trust), verify_with_js(artifact, artifact=b"hello", **trust)):
        assert (answer.accepted, answer.identity, answer.issuer) == (True, WORKFLOW, sigstore.issuer), answer
    assert verify_with_js(bundle, **trust | {"identity": WORKFLOW[:-1]}).code == "UNTRUSTED_SIGNER_ERROR"
    assert verify_with_js(bundle, **trust | {"issuer": sigstore.issuer + "/"}).code == "UNTRUSTED_SIGNER_ERROR"
    assert verify_with_js(artifact, artifact=b"hullo", **trust).code == "SIGNATURE_ERROR"


@pytest.mark.parametrize("rekor", [1, 2])
def test_what_the_twin_vouches_for_is_refused(sigstore, rekor):
    with sigstore.twin() as twin:
        with signer(twin, rekor=rekor, token=twin.oidc.email_token(), timestamps=False if rekor == 1 else None) as keyless:
            bundle = keyless.sign_dsse(statement()).to_json()
        assert verify_with_js(bundle, trusted_root=twin.trusted_root()).accepted
    answer = verify_with_js(bundle, trusted_root=sigstore.trusted_root())
    assert answer.code == {1: "CERTIFICATE_ERROR", 2: "TIMESTAMP_ERROR"}[rekor], answer


def test_a_bundle_by_a_key_is_accepted_with_that_key_and_no_other(tmp_path):
    pair, other = make_key(), make_key()
    bundle = bundle_of(make_package(tmp_path, signers=(pair,)), pair).read_bytes()
    hint = json.loads(bundle)["verificationMaterial"]["publicKey"]["hint"]
    assert verify_with_js(bundle, keys={hint: pair.public}, thresholds=NO_LOG).accepted
    assert verify_with_js(bundle, keys={hint: other.public}, thresholds=NO_LOG).code == "SIGNATURE_ERROR"
    assert verify_with_js(bundle, thresholds=NO_LOG).code == "PUBLIC_KEY_ERROR"
