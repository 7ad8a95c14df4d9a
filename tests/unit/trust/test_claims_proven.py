"""What else than the content of a package somebody vouches for: who it is comes first, and one kind is never read as another."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from making import make_key

from mlsign.digest import sha256
from mlsign.errors import InputError, TrustError
from mlsign.formats.countersignature import Countersignature, decode_countersignature, encode_countersignature
from mlsign.formats.golden_run import GoldenRunStatement, RunPlace, RunSet, SetOutcome, decode_golden_run, encode_golden_run
from mlsign.formats.policy_statement import PolicyStatement, decode_policy_statement, encode_policy_statement
from mlsign.formats.slsa import decode_slsa_statement
from mlsign.formats.verification_summary import ResourceReference, Result, VerificationSummary, decode_summary, encode_summary
from mlsign.paths import PackagePath
from mlsign.trust.authenticate import authenticate, authenticate_statement
from mlsign.trust.root import TrustRoot

NOW = datetime(2026, 11, 1, tzinfo=UTC)
OVER = Countersignature(name="signatures/a.json", digest=sha256(b"bundle"))
POLICY = PolicyStatement(name="policy.yaml", digest=sha256(b"policy"), files={})
SUMMARY = VerificationSummary(
    name="fraud",
    subject=sha256(b"package"),
    verifier="https://verifier.example",
    version="",
    verified=NOW,
    resource="x",
    policy=ResourceReference(),
    inputs=(),
    result=Result.PASSED,
    levels=("PASSED",),
)
BUILD = json.dumps(
    {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": "ab" * 32}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {"buildType": "https://build.example/v1", "externalParameters": {}},
            "runDetails": {"builder": {"id": "https://builder.example"}},
        },
    }
).encode()
RUN = GoldenRunStatement(
    name="fraud-1.0.0",
    subject=sha256(b"package"),
    manifest=sha256(b"manifest"),
    ran=NOW,
    place=RunPlace(
        platform="linux/amd64", processor="", runtime="onnxruntime", version="1.32.0", threads=1, wall="process", layers=()
    ),
    sets=(
        RunSet(
            path=PackagePath("golden/a"),
            rtol=0.0,
            atol=0.0,
            outcome=SetOutcome.UNKNOWN,
            outputs=0,
            compared=0,
            unequal=0,
            too_far=0,
        ),
    ),
    outputs=(),
    mlsign="0.1.0",
)
KINDS = {
    "golden_run": (decode_golden_run, encode_golden_run(RUN), RUN),
    "countersignature": (decode_countersignature, encode_countersignature(OVER), OVER),
    "summary": (decode_summary, encode_summary(SUMMARY), SUMMARY),
    "policy_statement": (decode_policy_statement, encode_policy_statement(POLICY), POLICY),
    "slsa": (decode_slsa_statement, BUILD, decode_slsa_statement(BUILD)),
}
PAIR = make_key()
ROOT = TrustRoot(keys=(PAIR.signer.public,))


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_trusted_identity_says_comes_with_who_it_is(kind):
    decode, payload, said = KINDS[kind]
    found = authenticate_statement(PAIR.signer.sign(payload), decode, root=ROOT, now=NOW)
    assert (found.statement, found.payload) == (said, payload)
    assert found.identity == PAIR.signer.identity


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_else_says_it(kind):
    decode, payload, _ = KINDS[kind]
    good = PAIR.signer.sign(payload)
    stranger = make_key().signer.sign(payload)
    changed = replace(good, envelope=replace(good.envelope, unauthenticated_payload=payload + b" "))
    for bundle, root, code in (
        (stranger, ROOT, "signature.unknown_key"),
        (replace(stranger, key_hint=good.key_hint), ROOT, "signature.invalid"),
        (changed, ROOT, "signature.invalid"),
        (good, TrustRoot(keys=()), "signature.unknown_key"),
    ):
        with pytest.raises(TrustError) as caught:
            authenticate_statement(bundle, decode, root=root, now=NOW)
        assert caught.value.code == code


@pytest.mark.parametrize("kind", KINDS)
def test_one_kind_is_not_taken_for_another(kind):
    """Whoever may countersign did not thereby sign a policy, give a verdict or vouch for what lies in a package."""
    decode = KINDS[kind][0]
    for other, (_, payload, _) in KINDS.items():
        bundle = PAIR.signer.sign(payload)
        if other != kind:
            with pytest.raises(InputError) as caught:
                authenticate_statement(bundle, decode, root=ROOT, now=NOW)
            assert caught.value.code == f"{kind}.value"
        with pytest.raises(InputError):
            authenticate(bundle, root=ROOT, now=NOW)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_said_is_read_only_after_its_signature_is_good(kind):
    decode = KINDS[kind][0]
    junk = PAIR.signer.sign(b"no statement")
    unsigned = replace(junk, envelope=replace(junk.envelope, unauthenticated_payload=b"{{{{"))
    with pytest.raises(InputError) as caught:
        authenticate_statement(junk, decode, root=ROOT, now=NOW)
    assert caught.value.code == "json.syntax"
    with pytest.raises(TrustError):
        authenticate_statement(unsigned, decode, root=ROOT, now=NOW)
