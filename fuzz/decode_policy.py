"""Fuzz target: policy text. Only ``InputError`` may escape, and what decodes must bind and be as strict as it reads."""

import random

from mlsign.digest import sha256
from mlsign.errors import InputError
from mlsign.identity import KeyIdentity
from mlsign.interface import OperatorId
from mlsign.limits import DEFAULT
from mlsign.policy.decoding.policy import PolicyDocument, decode_policy
from mlsign.policy.decoding.signers import Bindings
from mlsign.policy.model import Hazard

MAX_LEN = 16_384
SETS = {
    "inference-v1": frozenset({OperatorId("ai.onnx", "Gemm"), OperatorId("ai.onnx", "If")}),
    "ml-v1": frozenset({OperatorId("ai.onnx.ml", "Scaler")}),
    "control-flow-v1": frozenset({OperatorId("ai.onnx", "Loop")}),
    "random-v1": frozenset({OperatorId("ai.onnx", "RandomNormal")}),
}
HAZARDS = {OperatorId("com.microsoft", "EPContext"): frozenset({Hazard.RUNS_CODE})}
TEXTS = [
    *"[]{}:,-?&*!|>'\"%@#\\\n\t 019aex~=<",
    *("---", "...", "%YAML 1.1\n", "!!int ", "<<: ", "- ", "? ", ": ", "&a ", "*a", "\\U99999999", "\\ud800", "\\x1b", "\u202e"),
    *("1_0", "0x1f", "017", "yes", "null", "1e9", "20GiB", "10s", "*", "ai.onnx:*", "../", "mlsign.json", "9" * 40),
    *("require: 0", "any: []", "allow: []", "signers", "operators", "custom_domains: allow", "mode: audit", "extends: x"),
    *(
        "keyless: {",
        "certificate: {",
        "issuer: ",
        "subject: {",
        "pattern: ",
        "regex: ",
        "claims: {",
        "roots: [",
        "revocations: [",
    ),
    *(
        "countersigns: ",
        "transparency: {",
        "age: {",
        "max: ",
        "proof: stamped",
        "proof: bounded",
        "trust: {",
        "root: ",
        "instance: ",
    ),
    *(
        "stale: ",
        "max_age: ",
        "formats: [",
        "oms-0.2",
        "versions: {",
        "rollback: ",
        "fingerprint: ",
        "(a+)+$",
        "https://*",
        "...",
    ),
    *("run: {", "limits: {", "max_steps: ", "unknown_turns: allow", "open_dimension: ", "nodes: ", "10" * 9),
]
WORDS = [text.encode() for text in TEXTS]


def decoded(data: bytes) -> PolicyDocument | InputError:
    try:
        return decode_policy(data, name="policy.yaml", operator_sets=SETS, hazards=HAZARDS)
    except InputError as err:
        return err


def bound(document: PolicyDocument) -> Bindings:
    """A key and a certificate of its own for each path that the policy names."""
    roots = {file for reference in document.certificate_references for file in reference.roots}
    return Bindings(
        keys={file: KeyIdentity(spki=sha256(file.encode()), kind="EC P-256") for file in document.key_references},
        anchors={file: frozenset({sha256(file.encode())}) for file in roots},
    )


def check(data: bytes) -> None:
    """Decodes ``data`` as a policy; raises ``AssertionError`` on a policy that could allow by accident."""
    document = decoded(data)
    if isinstance(document, InputError):
        assert document.code.startswith("policy."), document.code
        assert document.where.startswith("policy.yaml"), document.where
        assert "\x1b" not in str(document)
        return
    bindings = bound(document)
    policy = document.bind(bindings)
    assert policy.digest == sha256(data)
    assert policy.signers
    assert policy.digests
    for group in policy.signers:
        assert group.require >= 1
        assert group.any
    assert policy.operators.allow or policy.operators.allowed_domains
    assert "ai.onnx" not in policy.operators.allowed_domains
    assert policy.operators.hazards == HAZARDS
    run = policy.model.run
    assert 0 <= run.max_bytes < 2**53
    assert min(run.max_steps, run.max_operations, run.open_dimension) >= 1
    assert max(run.max_steps, run.max_operations) <= 10**18
    tightened = policy.model.tightened(DEFAULT)
    assert tightened.open_dimension == run.open_dimension
    assert all(1 <= getattr(tightened, name) <= getattr(DEFAULT, name) for name in policy.model.limits)
    assert policy == decode_policy(data, name="policy.yaml", operator_sets=SETS, hazards=HAZARDS).bind(bindings)


def mutate(data: bytes, rng: random.Random) -> bytes:
    """A few edits of text at random places."""
    chars = list(data.decode("utf-8", "replace"))
    for _ in range(rng.randint(1, 6)):
        at = rng.randint(0, len(chars))
        if rng.random() < 0.4:
            del chars[at : at + rng.randint(1, 8)]
        else:
            chars[at:at] = rng.choice(TEXTS)
    return "".join(chars).encode()


if __name__ == "__main__":
    from engine import fuzz

    fuzz("policy")
