"""Policy text to a policy, in two steps because keys live in files and this floor reads none.

``decode_policy`` gives a ``PolicyDocument``, which says what keys it needs; ``bind`` takes their identities and
gives the ``Policy``. Both refuse what could never allow anything, what would allow everything by a slip, and every
field whose meaning this version does not enforce.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from mlsign.digest import Algorithm, Digest, sha256
from mlsign.errors import InputError
from mlsign.formats.statement import ACCEPTED_FORMATS, StatementFormat
from mlsign.interface import OperatorId
from mlsign.limits import DEFAULT, Limits
from mlsign.paths import MANIFEST_NAME, SIGNATURES_NAME, PackagePath, decode_path
from mlsign.policy.decoding.exceptions import decode_exceptions
from mlsign.policy.decoding.fields import (
    PolicyFields,
    read_choice,
    read_items,
    read_text,
    read_version,
    refusal,
)
from mlsign.policy.decoding.freshness import FIELDS as FRESHNESS_FIELDS
from mlsign.policy.decoding.freshness import decode_freshness
from mlsign.policy.decoding.golden import decode_golden
from mlsign.policy.decoding.identities import CertificateReference
from mlsign.policy.decoding.match import decode_match
from mlsign.policy.decoding.model import decode_model, decode_operators
from mlsign.policy.decoding.provenance import decode_provenance_demands
from mlsign.policy.decoding.revoked import decode_revoked
from mlsign.policy.decoding.rules import decode_rules
from mlsign.policy.decoding.sandbox import decode_sandbox
from mlsign.policy.decoding.signers import (
    Bindings,
    GroupDocument,
    bind_groups,
    certificate_references,
    decode_signers,
    key_references,
)
from mlsign.policy.decoding.summaries import FIELD as SUMMARY_FIELD
from mlsign.policy.decoding.summaries import SummaryDocument, decode_summaries
from mlsign.policy.decoding.validity import FIELDS as VALIDITY_FIELDS
from mlsign.policy.decoding.validity import read_expiry, read_revision
from mlsign.policy.decoding.yaml_source import Node, decode_yaml
from mlsign.policy.golden import GoldenSettings
from mlsign.policy.match import EVERY_PACKAGE
from mlsign.policy.model import (
    Hashing,
    Hazard,
    ManifestMode,
    Mode,
    ModelSettings,
    Policy,
    Rollback,
    SandboxSettings,
)
from mlsign.policy.provenance import ProvenanceSettings
from mlsign.version import Version

API_VERSION: Final = "mlsign/v1"
KIND: Final = "Policy"
FIELDS: Final = (
    "apiVersion",
    "kind",
    "name",
    "description",
    "match",
    "manifest",
    "signers",
    "digests",
    "formats",
    "operators",
    "model",
    "versions",
    "revoked",
    "rules",
    "exceptions",
    "mode",
    "sandbox",
    "unsigned_files",
    "provenance",
    "golden",
    "hashing",
    *FRESHNESS_FIELDS,
    SUMMARY_FIELD,
    *VALIDITY_FIELDS,
    "extends",
    "loosens",
)
MAX_UNSIGNED_FILES: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDocument:
    """A policy whose keys are still paths: ``bind`` it to judge packages, or do without signers to judge models alone.

    ``unbound`` is everything else that it says. It has no group of signers, so it denies every package.
    """

    unbound: Policy
    groups: tuple[GroupDocument, ...]
    vsa: SummaryDocument | None = None
    attesters: tuple[GroupDocument, ...] = ()
    runners: tuple[GroupDocument, ...] = ()

    @property
    def key_references(self) -> tuple[str, ...]:
        """Paths of public keys as written, relative to the policy file; each once, in the order of the text."""
        return key_references(self._asked)

    @property
    def certificate_references(self) -> tuple[CertificateReference, ...]:
        """What the policy says of certificates, with the paths of their roots, intermediates and revocation lists."""
        return certificate_references(self._asked)

    @property
    def _asked(self) -> tuple[GroupDocument, ...]:
        summarizers = () if self.vsa is None else (self.vsa.accept,)
        return (*self.groups, *self.attesters, *self.runners, *summarizers)

    def bind(self, bindings: Bindings) -> Policy:
        """The policy with what its files hold in place of paths.

        Raises ``InputError``: ``policy.signers.key`` when one is missing, ``policy.signers.require`` when a group
        asks for more distinct keys than its paths turn out to be.
        """
        vsa = None if self.vsa is None else self.vsa.bind(bindings)
        attesters, runners = (
            tuple(wanted for group in bind_groups(groups, bindings) for wanted in group.any)
            for groups in (self.attesters, self.runners)
        )
        golden = replace(self.unbound.golden, run_by=runners)
        bound = replace(self.unbound, signers=bind_groups(self.groups, bindings), vsa=vsa, golden=golden)
        asked = bound.provenance
        if asked.attested is None:
            return bound
        return replace(bound, provenance=replace(asked, attested=replace(asked.attested, signed_by=attesters)))


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
    return decode_policy_node(node, digest=sha256(data), operator_sets=operator_sets, hazards=hazards, limits=limits)


def decode_policy_node(
    node: Node,
    *,
    digest: Digest,
    operator_sets: Mapping[str, frozenset[OperatorId]],
    hazards: Mapping[OperatorId, frozenset[Hazard]],
    limits: Limits = DEFAULT,
) -> PolicyDocument:
    """The policy that the text of ``node`` is, which was read from bytes of this ``digest``. Raises as ``decode_policy``."""
    fields = PolicyFields(node, path="", names=FIELDS)
    if fields.has("extends") or fields.has("loosens"):
        # Without its parent a policy is looser than whoever wrote it meant.
        raise fields.wrong("extends another policy, which was not read", code="extends", name="extends")
    _check_literal(*fields.take("apiVersion"), API_VERSION)
    _check_literal(*fields.take("kind"), KIND)
    groups = decode_signers(*fields.take("signers"))
    digests = fields.optional("digests", _decode_digests) or frozenset({Algorithm.SHA256, Algorithm.BLAKE3})
    versions = fields.optional("versions", _decode_versions) or (None, Rollback.ALLOW)
    provenance = fields.optional("provenance", decode_provenance_demands) or (ProvenanceSettings(), ())
    golden = fields.optional("golden", decode_golden) or (GoldenSettings(), ())
    unbound = Policy(
        name=read_text(*fields.take("name"), maximum=128),
        description=fields.optional("description", lambda n, p: read_text(n, p, maximum=4096)) or "",
        digest=digest,
        manifest=fields.optional("manifest", lambda n, p: read_choice(n, p, ManifestMode)) or ManifestMode.REQUIRED,
        signers=(),
        digests=digests,
        operators=decode_operators(*fields.take("operators"), operator_sets, hazards=hazards),
        model=fields.optional("model", decode_model) or ModelSettings(),
        minimum_version=versions[0],
        rollback=versions[1],
        revoked=fields.optional("revoked", lambda n, p: decode_revoked(n, p, digests)) or (),
        match=fields.optional("match", decode_match) or EVERY_PACKAGE,
        rules=fields.optional("rules", decode_rules) or (),
        exceptions=fields.optional("exceptions", decode_exceptions) or (),
        mode=fields.optional("mode", lambda n, p: read_choice(n, p, Mode)) or Mode.ENFORCE,
        sandbox=fields.optional("sandbox", decode_sandbox) or SandboxSettings(),
        unsigned_files=fields.optional("unsigned_files", lambda n, p: _decode_unsigned_files(n, p, limits)) or (),
        freshness=decode_freshness(fields),
        formats=fields.optional("formats", _decode_formats) or ACCEPTED_FORMATS,
        expires=fields.optional("expires", read_expiry),
        revision=fields.optional("revision", read_revision),
        provenance=provenance[0],
        golden=golden[0],
        hashing=fields.optional("hashing", lambda n, p: read_choice(n, p, Hashing)) or Hashing.ALWAYS,
    )
    vsa = fields.optional(SUMMARY_FIELD, decode_summaries)
    return PolicyDocument(unbound=unbound, groups=groups, attesters=provenance[1], runners=golden[1], vsa=vsa)


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
    minimum = fields.optional("minimum", read_version)
    if minimum is None and rollback is None:
        raise fields.wrong("asks for nothing", code="versions", hint="add minimum, rollback: deny, or both")
    return minimum, rollback or Rollback.ALLOW


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
