"""The field ``revoked`` of a policy: what was released and must not run any more."""

from __future__ import annotations

from typing import Final

from mlsign.digest import Algorithm, Digest, decode_digest
from mlsign.errors import InputError
from mlsign.policy.decoding.fields import PolicyFields, read_items, read_text, read_version, refusal
from mlsign.policy.decoding.yaml_source import Node, Sequence
from mlsign.policy.model import Revocation, RevokedFile, RevokedPackage, RevokedRelease

MAX_REVOKED: Final = 2_000


def decode_revoked(node: Node, path: str, digests: frozenset[Algorithm]) -> tuple[Revocation, ...]:
    items = read_items(node, path, minimum=0, maximum=MAX_REVOKED)
    return tuple(_decode_revocation(item, where, digests) for item, where in items)


def _decode_revocation(node: Node, path: str, digests: frozenset[Algorithm]) -> Revocation:
    fields = PolicyFields(node, path=path, names=("digest", "file", "name", "version", "reason"))
    reason = read_text(*fields.take("reason"))
    if sum(fields.has(name) for name in ("digest", "file", "name")) != 1:
        raise fields.wrong("must name exactly one of digest, file and name", code="revoked")
    if fields.has("version") and not fields.has("name"):
        raise fields.wrong("has a version without a name", code="revoked", name="version")
    if fields.has("name"):
        return RevokedRelease(
            name=read_text(*fields.take("name"), maximum=256),
            version=fields.optional("version", read_version),
            reason=reason,
        )
    if fields.has("file"):
        return RevokedFile(digests=_decode_file_digests(*fields.take("file"), digests), reason=reason)
    node, where = fields.take("digest")
    digest = _decode_digest(node, where)
    if digest.algorithm is not Algorithm.SHA256:
        raise refusal(
            "is not a sha256 digest, and packages are known by no other",
            node.place,
            where,
            code="revoked",
            hint="revoke a single file by its digest with file: in place of digest:",
        )
    return RevokedPackage(digest=digest, reason=reason)


def _decode_file_digests(node: Node, path: str, accepted: frozenset[Algorithm]) -> tuple[Digest, ...]:
    """Digests of one file: one, or a list with each algorithm at most once.

    Files are hashed by the algorithms that the policy accepts, so a digest by none of them would never be found.
    """
    items = [(node, path)]
    if isinstance(node, Sequence):
        items = read_items(node, path, minimum=1, maximum=len(Algorithm))
    digests = tuple(_decode_digest(item, where) for item, where in items)
    algorithms = {digest.algorithm for digest in digests}
    if len(algorithms) != len(digests):
        raise refusal("has two digests by one algorithm, so it is not one file", node.place, path, code="revoked")
    if algorithms.isdisjoint(accepted):
        names = ", ".join(sorted(algorithm.value for algorithm in accepted))
        raise refusal(f"would never be found: files are hashed by {names}", node.place, path, code="revoked", expected=names)
    return digests


def _decode_digest(node: Node, path: str) -> Digest:
    text = read_text(node, path)
    try:
        return decode_digest(text)
    except InputError as err:
        raise refusal(err.message, node.place, path, code="revoked", found=text) from err
