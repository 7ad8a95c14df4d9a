"""The ``provenance`` section of a policy."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

from mlsign.policy.decoding.fields import PolicyFields, read_boolean, read_entries, read_integer, read_items, read_text, refusal
from mlsign.policy.decoding.identities import decode_pattern
from mlsign.policy.decoding.signers import GroupDocument, decode_accepted
from mlsign.policy.decoding.yaml_source import Node, Scalar, scalar_kind
from mlsign.policy.patterns import TextPattern
from mlsign.policy.provenance import (
    AttestedDemands,
    ClaimDemands,
    DependencyDemand,
    ParameterDemand,
    ProvenanceSettings,
    SourceDemand,
)

T = TypeVar("T")
MAX_PATTERNS: Final = 256
_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
_STRANGERS: Final = (
    "https://github.com/stranger/model",
    "git+https://github.com/stranger/model",
    "git+https://github.com/stranger/model@refs/heads/main",
    "https://stranger.invalid/stranger/model",
    "git+https://stranger.invalid/stranger/model",
    "pkg:generic/stranger@1",
)
"""Places that no policy can mean."""


def decode_provenance_demands(node: Node, path: str) -> tuple[ProvenanceSettings, tuple[GroupDocument, ...]]:
    """The demands, and whoever may attest, still by the paths of their keys. Raises ``InputError`` (``policy.provenance``, …)."""
    fields = PolicyFields(node, path=path, names=("required", "claimed", "attested"))
    required = fields.optional("required", read_boolean)
    if required is False:
        hint = "leave provenance out, or say required: true"
        raise fields.wrong("is false: what may be missing is not checked", code="provenance", name="required", hint=hint)
    if not any(map(fields.has, ("required", "claimed", "attested"))):
        raise fields.wrong("asks for nothing", code="provenance", hint="add required: true, claimed or attested")
    attested = fields.optional("attested", _decode_attested)
    settings = ProvenanceSettings(
        required=True,
        claimed=fields.optional("claimed", _decode_claimed),
        attested=None if attested is None else attested[0],
    )
    return settings, () if attested is None else (attested[1],)


def _decode_claimed(node: Node, path: str) -> ClaimDemands:
    names = ("builders", "sources", "commit", "time", "training_data")
    fields = PolicyFields(node, path=path, names=names)
    if not any(map(fields.has, names)):
        raise fields.wrong("asks for nothing", code="provenance", hint=f"the fields are {', '.join(names)}")
    return ClaimDemands(
        builders=fields.optional("builders", _decode_patterns) or (),
        sources=fields.optional("sources", _decode_patterns) or (),
        commit=fields.optional("commit", _must) or False,
        time=fields.optional("time", _must) or False,
        training_data=fields.optional("training_data", _must_have_digests) or False,
    )


def _must(node: Node, path: str) -> bool:
    return _only_word(node, path, "required")


def _must_have_digests(node: Node, path: str) -> bool:
    return _only_word(node, path, "digests")


def _only_word(node: Node, path: str, word: str) -> bool:
    text = read_text(node, path, maximum=64)
    if text != word:
        raise refusal(f"is not {word}", node.place, path, code="value", expected=word, found=text)
    return True


def _decode_attested(node: Node, path: str) -> tuple[AttestedDemands, GroupDocument]:
    names = ("signed_by", "builders", "build_types", "sources", "parameters", "other_parameters", "dependencies")
    fields = PolicyFields(node, path=path, names=names)
    signers = decode_accepted(*fields.take("signed_by"), name="attesters")
    other = fields.optional("other_parameters", lambda n, p: _word(n, p, ("deny", "allow")) == "allow")
    parameters = fields.optional("parameters", _decode_parameters) or ()
    if other is not None and not parameters:
        raise fields.wrong("says nothing without parameters", code="provenance", name="other_parameters")
    demands = AttestedDemands(
        signed_by=(),
        builders=fields.optional("builders", _decode_patterns) or (),
        build_types=fields.optional("build_types", _decode_patterns) or (),
        sources=fields.optional("sources", lambda n, p: _each(n, p, _decode_source)) or (),
        parameters=parameters,
        other_parameters=other or False,
        dependencies=fields.optional("dependencies", lambda n, p: _each(n, p, _decode_dependency)) or (),
    )
    if not demands.builders:
        # Whoever may sign can sign for any builder: a statement that nobody asks anything of proves who signed, and no build.
        raise fields.wrong(
            "names no builders", code="provenance", hint="add builders: the ids that runDetails.builder.id may have"
        )
    return demands, signers


def _word(node: Node, path: str, words: tuple[str, ...]) -> str:
    text = read_text(node, path, maximum=64)
    if text not in words:
        wanted = " or ".join(words)
        raise refusal(f"is not {wanted}", node.place, path, code="value", expected=wanted, found=text)
    return text


def _each(node: Node, path: str, read: Callable[[Node, str], T]) -> tuple[T, ...]:
    return tuple(read(item, where) for item, where in read_items(node, path, minimum=1, maximum=MAX_PATTERNS))


def _decode_patterns(node: Node, path: str) -> tuple[TextPattern, ...]:
    return _each(node, path, _decode_place)


def _decode_place(node: Node, path: str) -> TextPattern:
    pattern = decode_pattern(node, path, code="provenance")
    stranger = next((name for name in _STRANGERS if not pattern.is_exact and pattern.matches(name)), None)
    if stranger is not None:
        hint = "spell out who is meant, as in {pattern: 'https://github.com/acme/*'}"
        raise refusal(
            f"matches too much: {stranger} would do", node.place, path, code="provenance", found=pattern.text, hint=hint
        )
    return pattern


def _decode_source(node: Node, path: str) -> SourceDemand:
    fields = PolicyFields(node, path=path, names=("uri", "ref", "commit"))
    uri = _decode_place(*fields.take("uri"))
    if uri.text.startswith("git+"):
        raise fields.wrong("starts with git+", code="provenance", name="uri", hint="write the address alone: https://…")
    return SourceDemand(
        uri=uri,
        ref=fields.optional("ref", lambda n, p: decode_pattern(n, p, code="provenance")),
        commit=fields.optional("commit", _decode_commit),
    )


def _decode_commit(node: Node, path: str) -> str:
    """The digest of a commit, or empty where any will do."""
    text = read_text(node, path, maximum=64)
    if text != "required" and not _COMMIT.fullmatch(text):
        raise refusal("is neither required nor the whole digest of a commit", node.place, path, code="provenance", found=text)
    return "" if text == "required" else text


def _decode_parameters(node: Node, path: str) -> tuple[ParameterDemand, ...]:
    out: list[ParameterDemand] = []
    for key, value, where in read_entries(node, path, maximum=MAX_PATTERNS):
        names = tuple(key.text.split("."))
        if not all(names):
            raise refusal("is no name as workflow.ref", key.place, where, code="provenance", found=key.text)
        out.append(ParameterDemand(path=names, wanted=_decode_wanted(value, where)))
    return tuple(out)


def _decode_wanted(node: Node, path: str) -> TextPattern | int | bool:
    kind = scalar_kind(node) if isinstance(node, Scalar) else ""
    if kind == "a boolean":
        return read_boolean(node, path)
    if kind == "an integer":
        return read_integer(node, path, minimum=0)
    return decode_pattern(node, path, code="provenance")


def _decode_dependency(node: Node, path: str) -> DependencyDemand:
    fields = PolicyFields(node, path=path, names=("uri", "digest"))
    return DependencyDemand(uri=_decode_place(*fields.take("uri")), digest=fields.optional("digest", _must) or False)
