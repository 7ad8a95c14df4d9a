"""Sign policy: a bundle beside a policy, over it, its parents and every file that they name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mlsign.actions.policies.files import PolicyFiles
from mlsign.actions.policies.load_policy import read_named_files
from mlsign.actions.policies.read_policy import read_policy_document
from mlsign.actions.policies.verify_policy import SUFFIX
from mlsign.digest import sha256
from mlsign.formats.bundle import encode_bundle
from mlsign.formats.policy_statement import PolicyStatement, decode_policy_statement, encode_policy_statement
from mlsign.identity import Identity
from mlsign.limits import DEFAULT, Limits
from mlsign.package.write import replace_file
from mlsign.policy.model import Policy
from mlsign.signers.protocol import Signer
from mlsign.trust.authenticate import authenticate_statement


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySignature:
    """A signature in place, the policy that it is over, and the further files that it covers."""

    bundle: Path
    policy: Policy
    identity: Identity
    files: tuple[str, ...]


def sign_policy(path: Path, signer: Signer, *, now: datetime | None = None, limits: Limits = DEFAULT) -> PolicySignature:
    """Puts ``FILE.sigstore.json`` beside the policy, in place of one that is there.

    Everything is read and decoded first, so nobody signs a policy that would be refused, and nothing is written that would not
    verify. Raises as ``load_policy`` does, ``TrustError`` when the signature does not hold, and ``OutsideError``.
    """
    # 1. All that the policy rests on, each file opened once.
    files = PolicyFiles(path)
    policy, _ = read_named_files(read_policy_document(path, files=files, limits=limits), files, limits=limits)
    if file := policy.freshness.trust.file:
        from mlsign.roots.load import decode_trust_data, load_trust_data

        data = load_trust_data(file=path.parent / file, limits=limits)
        decode_trust_data(data, limits=limits)
        files.keep(file, data.content)
    # 2. The statement follows from what was read.
    digests = files.digests()
    statement = PolicyStatement(name=path.name, digest=sha256(files.read_policy(limits=limits)), files=digests)
    bundle = signer.sign(encode_policy_statement(statement))
    # 3. What would not be accepted is not written.
    proof = authenticate_statement(
        bundle, decode_policy_statement, root=signer.trust, now=now or datetime.now(UTC), limits=limits
    )
    target = path.with_name(f"{path.name}{SUFFIX}")
    replace_file(target, encode_bundle(bundle))
    return PolicySignature(bundle=target, policy=policy, identity=proof.identity, files=tuple(digests))
