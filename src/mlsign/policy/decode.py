"""Policy text to a policy, in two steps because keys live in files and this floor reads none.

``decode_policy`` gives a ``PolicyDocument``, which says what keys it needs; ``bind`` takes their identities and
gives the ``Policy``. Both refuse what could never allow anything, what would allow everything by a slip, and every
field whose meaning this version does not enforce.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mlsign.digest import Algorithm, Digest, decode_digest, sha256
from mlsign.errors import InputError
from mlsign.formats.statement import ACCEPTED_FORMATS, StatementFormat
from mlsign.interface import OperatorId
from mlsign.limits import DEFAULT, MIB, Limits
from mlsign.paths import MANIFEST_NAME, SIGNATURES_NAME, PackagePath, decode_path
from mlsign.policy.decode_freshness import FIELDS as FRESHNESS_FIELDS
from mlsign.policy.decode_freshness import decode_freshness
from mlsign.policy.decode_identities import CertificateReference
from mlsign.policy.decode_model import decode_model, decode_operators
from mlsign.policy.decode_signers import (
    Bindings,
    GroupDocument,
    bind_groups,
    certificate_references,
    decode_signers,
    key_references,
)
from mlsign.policy.fields import (
    PolicyFields,
    read_bytes,
    read_choice,
    read_integer,
    read_items,
    read_seconds,
    read_text,
    refusal,
)
from mlsign.policy.freshness import Freshness
from mlsign.policy.model import (
    Hazard,
    Isolation,
    ManifestMode,
    Mode,
    ModelSettings,
    OperatorSettings,
    Policy,
    Revocation,
    RevokedFile,
    RevokedPackage,
    RevokedRelease,
    Rollback,
    SandboxSettings,
    SignerGroup,
)
from mlsign.policy.yaml_source import Node, Sequence, decode_yaml
from mlsign.version import Version, decode_version

API_VERSION: Final = "mlsign/v1"
KIND: Final = "Policy"
FIELDS: Final = (
    "apiVersion",
    "kind",
    "name",
    "description",
    "manifest",
    "signers",
    "digests",
    "formats",
    "operators",
    "model",
    "versions",
    "revoked",
    "mode",
    "sandbox",
    "unsigned_files",
    *FRESHNESS_FIELDS,
)
LATER_FIELDS: Final = {
    "provenance": "demands on provenance",
    "golden": "replay of test data",
    "rules": "rules in CEL",
    "exceptions": "exceptions with an end",
    "match": "selection of packages",
    "extends": "inheritance of policies",
}
"""Fields of the whole design that this version does not enforce, and therefore refuses."""

MAX_REVOKED: Final = 2_000
MAX_UNSIGNED_FILES: Final = 256
MAX_THREADS: Final = 256
MAX_SECONDS: Final = 24 * 3600.0
MIN_MEMORY_BYTES: Final = 64 * MIB
"""Less address space than this holds no scoring worker at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDocument:
    """A policy whose keys are still paths: ``bind`` it to judge packages, or do without signers to judge models alone."""

    name: str
    description: str
    digest: Digest
    manifest: ManifestMode
    groups: tuple[GroupDocument, ...]
    digests: frozenset[Algorithm]
    operators: OperatorSettings
    model: ModelSettings
    minimum_version: Version | None
    rollback: Rollback
    revoked: tuple[Revocation, ...]
    mode: Mode
    sandbox: SandboxSettings
    unsigned_files: tuple[PackagePath, ...]
    freshness: Freshness
    formats: frozenset[StatementFormat]

    @property
    def key_references(self) -> tuple[str, ...]:
        """Paths of public keys as written, relative to the policy file; each once, in the order of the text."""
        return key_references(self.groups)

    @property
    def certificate_references(self) -> tuple[CertificateReference, ...]:
        """What the policy says of certificates, with the paths of their roots, intermediates and revocation lists."""
        return certificate_references(self.groups)

    def bind(self, bindings: Bindings) -> Policy:
        """The policy with what its files hold in place of paths.

        Raises ``InputError``: ``policy.signers.key`` when one is missing, ``policy.signers.require`` when a group
        asks for more distinct keys than its paths turn out to be.
        """
        return self._policy(bind_groups(self.groups, bindings))

    def without_signers(self) -> Policy:
        """The policy for ``judge_model``, where no key is needed. It has no group of signers, so it denies every package."""
        return self._policy(())

    def _policy(self, signers: tuple[SignerGroup, ...]) -> Policy:
        return Policy(
            name=self.name,
            description=self.description,
            digest=self.digest,
            manifest=self.manifest,
            signers=signers,
            digests=self.digests,
            operators=self.operators,
            model=self.model,
            minimum_version=self.minimum_version,
            rollback=self.rollback,
            revoked=self.revoked,
            mode=self.mode,
            sandbox=self.sandbox,
            unsigned_files=self.unsigned_files,
            freshness=self.freshness,
            formats=self.formats,
        )


def decode_policy(
    data: bytes,
    *,
    name: str,
    operator_sets: Mapping[str, frozenset[OperatorId]],
    hazards: Mapping[OperatorId, frozenset[Hazard]],
    limits: Limits = DEFAULT,
) -> PolicyDocument:
    """The policy in ``data``; ``name`` is what messages call the source, ``operator_sets`` the sets it may name, ``hazards``
    the operators that do more than compute.

    Raises ``InputError`` with a ``policy.…`` code whose message names the line, the field and the nearest valid name.
    """
    node = decode_yaml(data, source=name, limits=limits)
    fields = PolicyFields(node, path="", names=FIELDS, later=LATER_FIELDS)
    _check_literal(*fields.take("apiVersion"), API_VERSION)
    _check_literal(*fields.take("kind"), KIND)
    digests = fields.optional("digests", _decode_digests) or frozenset({Algorithm.SHA256, Algorithm.BLAKE3})
    versions = fields.optional("versions", _decode_versions) or (None, Rollback.ALLOW)
    return PolicyDocument(
        name=read_text(*fields.take("name"), maximum=128),
        description=fields.optional("description", lambda n, p: read_text(n, p, maximum=4096)) or "",
        digest=sha256(data),
        manifest=fields.optional("manifest", lambda n, p: read_choice(n, p, ManifestMode)) or ManifestMode.REQUIRED,
        groups=decode_signers(*fields.take("signers")),
        digests=digests,
        operators=decode_operators(*fields.take("operators"), operator_sets, hazards=hazards),
        model=fields.optional("model", decode_model) or ModelSettings(),
        minimum_version=versions[0],
        rollback=versions[1],
        revoked=fields.optional("revoked", lambda n, p: _decode_revoked(n, p, digests)) or (),
        mode=fields.optional("mode", lambda n, p: read_choice(n, p, Mode)) or Mode.ENFORCE,
        sandbox=fields.optional("sandbox", _decode_sandbox) or SandboxSettings(),
        unsigned_files=fields.optional("unsigned_files", lambda n, p: _decode_unsigned_files(n, p, limits)) or (),
        freshness=decode_freshness(fields),
        formats=fields.optional("formats", _decode_formats) or ACCEPTED_FORMATS,
    )


def _check_literal(node: Node, path: str, wanted: str) -> None:
    text = read_text(node, path)
    if text != wanted:
        raise refusal(f"is not {wanted}", node.place, path, code="version", expected=wanted, found=text)


def _decode_digests(node: Node, path: str) -> frozenset[Algorithm]:
    out: set[Algorithm] = set()
    for item, where in read_items(node, path, minimum=1, maximum=len(Algorithm)):
        out.add(read_choice(item, where, Algorithm))
    return frozenset(out)


def _decode_formats(node: Node, path: str) -> frozenset[StatementFormat]:
    items = read_items(node, path, minimum=1, maximum=len(StatementFormat))
    return frozenset(read_choice(item, where, StatementFormat) for item, where in items)


def _decode_versions(node: Node, path: str) -> tuple[Version | None, Rollback]:
    fields = PolicyFields(node, path=path, names=("minimum", "rollback"))
    rollback = fields.optional("rollback", lambda n, p: read_choice(n, p, Rollback))
    minimum = fields.optional("minimum", _decode_version)
    if minimum is None and rollback is None:
        raise fields.wrong("asks for nothing", code="versions", hint="add minimum, rollback: deny, or both")
    return minimum, rollback or Rollback.ALLOW


def _decode_version(node: Node, path: str) -> Version:
    text = read_text(node, path, maximum=128)
    try:
        return decode_version(text)
    except InputError as err:
        raise refusal(err.message, node.place, path, code="versions", found=text) from err


def _decode_revoked(node: Node, path: str, digests: frozenset[Algorithm]) -> tuple[Revocation, ...]:
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
            version=fields.optional("version", _decode_version),
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


def _decode_sandbox(node: Node, path: str) -> SandboxSettings:
    fields = PolicyFields(node, path=path, names=("memory", "cpu", "wall", "threads", "isolation"))
    default = SandboxSettings()
    cpu = fields.optional("cpu", lambda n, p: read_seconds(n, p, maximum=MAX_SECONDS))
    wall = fields.optional("wall", lambda n, p: read_seconds(n, p, maximum=MAX_SECONDS))
    memory = fields.optional("memory", lambda n, p: read_bytes(n, p, minimum=MIN_MEMORY_BYTES))
    threads = fields.optional("threads", lambda n, p: read_integer(n, p, minimum=1, maximum=MAX_THREADS))
    isolation = fields.optional("isolation", lambda n, p: read_choice(n, p, Isolation))
    return SandboxSettings(
        memory_bytes=memory or default.memory_bytes,
        cpu_seconds=cpu or default.cpu_seconds,
        wall_seconds=wall or default.wall_seconds,
        threads=threads or default.threads,
        isolation=isolation or default.isolation,
    )


def _decode_unsigned_files(node: Node, path: str, limits: Limits) -> tuple[PackagePath, ...]:
    out: set[PackagePath] = set()
    for item, where in read_items(node, path, minimum=0, maximum=MAX_UNSIGNED_FILES):
        text = read_text(item, where)
        try:
            file = decode_path(text, limits=limits)
        except InputError as err:
            raise refusal(err.message, item.place, where, code="unsigned_files", found=text) from err
        if file.folded == MANIFEST_NAME or PackagePath(file.folded).is_under(SIGNATURES_NAME):
            raise refusal(
                f"{text} cannot be left unsigned: everything else rests on it",
                item.place,
                where,
                code="unsigned_files",
                found=text,
            )
        out.add(file)
    return tuple(sorted(out))
