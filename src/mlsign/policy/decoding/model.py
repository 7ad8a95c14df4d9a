"""The ``operators`` and ``model`` sections of a policy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from mlsign.errors import InputError, shown
from mlsign.interface import OperatorId, decode_operator
from mlsign.policy.decoding.fields import (
    PolicyFields,
    nearest,
    read_bytes,
    read_choice,
    read_entries,
    read_integer,
    read_items,
    read_text,
    refusal,
)
from mlsign.policy.decoding.run import decode_limits, decode_run
from mlsign.policy.decoding.yaml_source import Node
from mlsign.policy.model import (
    STANDARD_DOMAINS,
    CustomDomains,
    ExternalData,
    Hazard,
    ModelSettings,
    OperatorSettings,
    Presence,
    RunSettings,
    VersionRange,
)

_MODEL_FIELDS: Final = ("presence", "opset", "max_nodes", "max_parameter_bytes", "external_data", "run", "limits")
MAX_OPERATOR_ENTRIES: Final = 2048
MAX_OPSET_DOMAINS: Final = 64
MAX_OPSET_VERSION: Final = 2**31 - 1

_DOMAIN: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*", re.ASCII)
_BOUND: Final = re.compile(r" *(>=|<=|==|>|<) *(0|[1-9][0-9]{0,9}) *", re.ASCII)

_Named = tuple[frozenset[OperatorId], frozenset[str]]


def decode_operators(
    node: Node,
    path: str,
    operator_sets: Mapping[str, frozenset[OperatorId]],
    *,
    hazards: Mapping[OperatorId, frozenset[Hazard]],
) -> OperatorSettings:
    """Named sets, operators and whole domains, as operators. Raises ``InputError`` when nothing would be left to allow."""
    fields = PolicyFields(node, path=path, names=("allow", "deny", "custom_domains"))
    custom = fields.optional("custom_domains", lambda n, p: read_choice(n, p, CustomDomains)) or CustomDomains.DENY
    allow_node, allow_path = fields.take("allow")
    allow, domains = _decode_names(allow_node, allow_path, operator_sets, minimum=1)
    deny, denied_domains = (
        _decode_names(*fields.take("deny"), operator_sets, minimum=0) if fields.has("deny") else (frozenset(), frozenset())
    )
    for domain in sorted(domains):
        _check_whole_domain(domain, custom, fields)
    if custom is CustomDomains.ALLOW and not domains:
        raise fields.wrong(
            "custom_domains is allow, but operators.allow names no whole domain",
            code="operators.custom_domains",
            name="custom_domains",
            hint="name each domain as com.acme:* in operators.allow, or leave custom_domains out",
        )
    left = {op for op in allow if op not in deny and op.domain not in denied_domains} | (domains - denied_domains)
    if not left:
        raise fields.wrong("operators.deny takes away all that operators.allow gives", code="operators.empty", name="allow")
    return OperatorSettings(
        allow=allow,
        allowed_domains=domains,
        deny=deny,
        denied_domains=denied_domains,
        custom_domains=custom,
        hazards=MappingProxyType(dict(hazards)),
    )


def _check_whole_domain(domain: str, custom: CustomDomains, fields: PolicyFields) -> None:
    """Refuses to allow a whole domain by a slip: the standard ones hold Loop and If, the custom ones run foreign code."""
    if domain in STANDARD_DOMAINS:
        raise fields.wrong(
            f"{domain}:* would allow every operator of a standard domain, those of later versions included",
            code="operators.domain",
            name="allow",
            hint="name operator sets, for instance inference-v1",
        )
    if custom is CustomDomains.DENY:
        raise fields.wrong(
            f"{shown(domain)}:* allows a whole custom domain while custom_domains is deny",
            code="operators.domain",
            name="allow",
            hint="name its operators one by one, or set custom_domains: allow",
        )


def _decode_names(node: Node, path: str, sets: Mapping[str, frozenset[OperatorId]], *, minimum: int) -> _Named:
    operators: set[OperatorId] = set()
    domains: set[str] = set()
    for item, where in read_items(node, path, minimum=minimum, maximum=MAX_OPERATOR_ENTRIES):
        text = read_text(item, where, maximum=256)
        domain, colon, name = text.rpartition(":")
        if not colon:
            if text not in sets:
                raise refusal(
                    f"{shown(text)} is not an operator set",
                    item.place,
                    where,
                    code="operators.set",
                    expected=", ".join(sorted(sets)),
                    found=text,
                    hint=f"the sets are {', '.join(sorted(sets))}; a single operator is written ai.onnx:Gemm",
                    near=nearest(text, sets),
                )
            operators |= sets[text]
        elif name == "*" and _DOMAIN.fullmatch(domain):
            domains.add(domain)
        else:
            operators.add(_decode_operator(text, item, where))
    return frozenset(operators), frozenset(domains)


def _decode_operator(text: str, node: Node, path: str) -> OperatorId:
    try:
        operator = decode_operator(text)
    except InputError as err:
        raise refusal(err.message, node.place, path, code="operators.spelling", found=text) from err
    if not _DOMAIN.fullmatch(operator.domain):
        raise refusal(
            f"{shown(operator.domain)} is not a domain, the standard one is ai.onnx",
            node.place,
            path,
            code="operators.spelling",
            found=text,
        )
    return operator


def decode_model(node: Node, path: str) -> ModelSettings:
    """Caps on the model."""
    fields = PolicyFields(node, path=path, names=_MODEL_FIELDS)
    presence = fields.optional("presence", lambda n, p: read_choice(n, p, Presence))
    opset = fields.optional("opset", _decode_opset)
    external = fields.optional("external_data", lambda n, p: read_choice(n, p, ExternalData))
    return ModelSettings(
        presence=presence or Presence.REQUIRED,
        opset=MappingProxyType(opset or {}),
        max_nodes=fields.optional("max_nodes", lambda n, p: read_integer(n, p, minimum=1)),
        max_parameter_bytes=fields.optional("max_parameter_bytes", lambda n, p: read_bytes(n, p, minimum=0)),
        external_data=external or ExternalData.PACKAGED,
        run=fields.optional("run", decode_run) or RunSettings(),
        limits=fields.optional("limits", decode_limits) or MappingProxyType({}),
    )


def _decode_opset(node: Node, path: str) -> dict[str, VersionRange]:
    out: dict[str, VersionRange] = {}
    for key, value, where in read_entries(node, path, maximum=MAX_OPSET_DOMAINS):
        if not _DOMAIN.fullmatch(key.text):
            raise refusal(
                f"{shown(key.text)} is not a domain, the standard one is ai.onnx",
                key.place,
                where,
                code="model.opset",
                found=key.text,
            )
        out[key.text] = _decode_range(value, where)
    return out


def _decode_range(node: Node, path: str) -> VersionRange:
    """A range such as ``>=13,<=24``. Raises ``InputError`` for one that no version is in."""
    text = read_text(node, path, maximum=64)
    minimum, maximum = 0, MAX_OPSET_VERSION
    for part in text.split(","):
        match = _BOUND.fullmatch(part)
        if match is None:
            raise refusal(
                f"{shown(text)} is not a range of versions, write it as >=13,<=24",
                node.place,
                path,
                code="model.opset",
                found=text,
            )
        sign, number = match.group(1), int(match.group(2))
        if sign in {">=", ">", "=="}:
            minimum = max(minimum, number + (sign == ">"))
        if sign in {"<=", "<", "=="}:
            maximum = min(maximum, number - (sign == "<"))
    if minimum > maximum:
        raise refusal(f"{shown(text)} leaves no version", node.place, path, code="model.opset", found=text)
    return VersionRange(text=text, minimum=minimum, maximum=maximum)
