"""Keyless identities and certificates in a policy: names, patterns, and the refusal of patterns that mean anybody."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mlsign.digest import Algorithm, Digest, decode_digest
from mlsign.errors import InputError
from mlsign.policy.decoding.fields import PolicyFields, read_items, read_text, refusal
from mlsign.policy.decoding.yaml_source import Mapping as MapNode
from mlsign.policy.decoding.yaml_source import Node, Place
from mlsign.policy.patterns import MAX_PATTERN_CHARS, PatternKind, TextPattern, check_pattern
from mlsign.policy.requirements import CLAIMS, CertificateRequirement, KeylessRequirement

MAX_FILES: Final = 16

_URL_PREFIX: Final = re.compile(r"https://[^/*]+/[^/*]+/[^*]*")
_MAIL_PATTERN: Final = re.compile(r"[^@/]*@[^@*/]+")
_ISSUER: Final = re.compile(r"https://[^/\s*?#]+(?:/[^\s*?#]*)?")
_ISSUER_PATTERN: Final = re.compile(r"https://[^/\s*?#]+/[^\s?#]*")
_CERTIFICATE_NAME: Final = re.compile(r"(?:email:[^@]*@[^@*]+|uri:[a-z]+://[^/*]+/.+|dns:[^*]+|dns:\*\.[^*]+\.[^*]+)")

STRANGERS: Final = (
    "",
    "stranger",
    "stranger@stranger.invalid",
    "https://stranger.invalid/stranger/model/.github/workflows/release.yml@refs/tags/v1.0.0",
    "https://github.com/stranger/model/.github/workflows/release.yml@refs/tags/v1.0.0",
    "https://github.com/stranger/stranger/.github/workflows/stranger.yml@refs/heads/main",
    "https://gitlab.com/stranger/model//.gitlab-ci.yml@refs/heads/main",
    "https://stranger.invalid",
    "https://stranger.invalid/realms/stranger",
    "email:stranger@stranger.invalid",
    "uri:https://stranger.invalid/stranger",
    "dns:stranger.invalid",
    "CN=stranger,O=stranger",
)
"""Names of people whom no policy can mean: an expression that one of them matches means anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateReference:
    """A certificate requirement whose roots, intermediates and revocation lists are paths, relative to the policy."""

    roots: tuple[str, ...]
    intermediates: tuple[str, ...]
    revocations: tuple[str, ...]
    subject: TextPattern | None
    name: TextPattern | None
    issuer: TextPattern | None
    fingerprint: Digest | None
    place: Place

    def bind(self, anchors: frozenset[Digest]) -> CertificateRequirement:
        """The requirement, given what its root files hold."""
        return CertificateRequirement(
            reference=", ".join(self.roots),
            anchors=anchors,
            subject=self.subject,
            name=self.name,
            issuer=self.issuer,
            fingerprint=self.fingerprint,
        )


def decode_keyless(node: Node, path: str) -> KeylessRequirement:
    """A keyless identity. Raises ``InputError`` (``policy.signers.…``)."""
    fields = PolicyFields(node, path=path, names=("issuer", "subject", "claims"))
    return KeylessRequirement(
        issuer=_decode_issuer(*fields.take("issuer")),
        subject=_decode_subject(*fields.take("subject")),
        claims=fields.optional("claims", _decode_claims) or (),
    )


def decode_certificate(node: Node, path: str) -> CertificateReference:
    """The holder of a certificate. Raises ``InputError`` (``policy.signers.…``)."""
    names = ("roots", "intermediates", "revocations", "subject", "name", "issuer", "fingerprint")
    fields = PolicyFields(node, path=path, names=names)
    if not any(map(fields.has, ("subject", "name", "fingerprint"))):
        # A root vouches for everybody it ever issued a certificate to.
        raise fields.wrong(
            "names no holder, so anybody with a certificate under these roots would do",
            code="signers.certificate",
            hint="add subject, name or fingerprint",
        )
    return CertificateReference(
        roots=_decode_files(*fields.take("roots")),
        intermediates=fields.optional("intermediates", _decode_files) or (),
        revocations=fields.optional("revocations", _decode_files) or (),
        subject=fields.optional("subject", lambda n, p: decode_pattern(n, p, code="signers.certificate")),
        name=fields.optional("name", _decode_name),
        issuer=fields.optional("issuer", lambda n, p: decode_pattern(n, p, code="signers.certificate")),
        fingerprint=fields.optional("fingerprint", _decode_fingerprint),
        place=fields.place,
    )


def _decode_files(node: Node, path: str) -> tuple[str, ...]:
    found = tuple(read_text(item, where) for item, where in read_items(node, path, minimum=1, maximum=MAX_FILES))
    if len(set(found)) != len(found):
        raise refusal("names a file twice", node.place, path, code="signers.certificate")
    return found


def _decode_fingerprint(node: Node, path: str) -> Digest:
    text = read_text(node, path)
    try:
        digest = decode_digest(text)
    except InputError as err:
        raise refusal(err.message, node.place, path, code="signers.certificate", found=text) from err
    if digest.algorithm is not Algorithm.SHA256:
        raise refusal("is not a sha256 digest of a certificate", node.place, path, code="signers.certificate", found=text)
    return digest


def _decode_claims(node: Node, path: str) -> tuple[tuple[str, TextPattern], ...]:
    fields = PolicyFields(node, path=path, names=CLAIMS)
    found = tuple((name, decode_pattern(*fields.take(name), code="signers.claims")) for name in CLAIMS if fields.has(name))
    if not found:
        raise fields.wrong("asks for nothing", code="signers.claims")
    return found


def _decode_issuer(node: Node, path: str) -> TextPattern:
    pattern = decode_pattern(node, path, code="signers.issuer")
    good = {PatternKind.EXACT: _ISSUER, PatternKind.GLOB: _ISSUER_PATTERN}.get(pattern.kind)
    if good is not None and not good.fullmatch(pattern.text):
        raise refusal(
            "is not an https address whose host is spelled out, without ? or #",
            node.place,
            path,
            code="signers.issuer",
            found=pattern.text,
        )
    return pattern


def _decode_subject(node: Node, path: str) -> TextPattern:
    pattern = decode_pattern(node, path, code="signers.subject")
    if pattern.kind is not PatternKind.GLOB or _URL_PREFIX.match(pattern.text) or _MAIL_PATTERN.fullmatch(pattern.text):
        return pattern
    # https://github.com/* is everybody with an account, and *@* is everybody with an address.
    raise refusal(
        "matches too much: spell out the host and the first part of the path, or the mail domain, before any *",
        node.place,
        path,
        code="signers.subject",
        found=pattern.text,
        hint="for instance https://github.com/acme/* or *@acme.example",
    )


def _decode_name(node: Node, path: str) -> TextPattern:
    pattern = decode_pattern(node, path, code="signers.certificate")
    if pattern.kind is not PatternKind.REGEX and not _CERTIFICATE_NAME.fullmatch(pattern.text):
        raise refusal(
            "is not email:, uri: or dns: and a name whose domain is spelled out",
            node.place,
            path,
            code="signers.certificate",
            found=pattern.text,
            hint="for instance email:release@acme.example or uri:spiffe://acme.example/release",
        )
    return pattern


def decode_pattern(node: Node, path: str, *, code: str) -> TextPattern:
    """Text to compare a name with: as it stands, ``{pattern: …}`` with wildcards, or ``{regex: …}``.

    Raises ``InputError`` for one that cannot be used, or that means anybody.
    """
    if not isinstance(node, MapNode):
        text = read_text(node, path, maximum=MAX_PATTERN_CHARS)
        if "*" in text:
            raise refusal(
                "has a * but is compared as it stands",
                node.place,
                path,
                code=code,
                hint="write {pattern: …} for a pattern",
            )
        return TextPattern(kind=PatternKind.EXACT, text=text)
    fields = PolicyFields(node, path=path, names=("pattern", "regex"))
    if fields.has("pattern") == fields.has("regex"):
        raise fields.wrong("must have either pattern or regex", code=code)
    kind = PatternKind.GLOB if fields.has("pattern") else PatternKind.REGEX
    inner, where = fields.take(kind.value)
    pattern = TextPattern(kind=kind, text=read_text(inner, where, maximum=MAX_PATTERN_CHARS))
    try:
        check_pattern(pattern)
    except InputError as err:
        raise refusal(err.message, inner.place, where, code=code, found=pattern.text, hint=err.hint) from err
    stranger = next((name for name in STRANGERS if pattern.matches(name)), None)
    if stranger is not None:
        raise refusal(
            f"matches too much: {stranger or 'an empty name'} would do",
            inner.place,
            where,
            code=code,
            found=pattern.text,
            hint="spell out who is meant; an expression is compared with whole names",
        )
    return pattern
