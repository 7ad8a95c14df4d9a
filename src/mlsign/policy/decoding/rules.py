"""The field ``rules`` of a policy: conditions under which a package is denied."""

from __future__ import annotations

import re
from typing import Final

from mlsign.errors import InputError
from mlsign.policy.condition import MAX_CONDITION_CHARS, Condition
from mlsign.policy.decoding.fields import PolicyFields, read_items, read_text, refusal
from mlsign.policy.decoding.yaml_source import Node

MAX_RULES: Final = 64
_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


def decode_rules(node: Node, path: str) -> tuple[Condition, ...]:
    """The rules, each under a name of its own, with conditions that were checked for names and types."""
    out: dict[str, Condition] = {}
    for item, where in read_items(node, path, minimum=0, maximum=MAX_RULES):
        fields = PolicyFields(item, path=where, names=("id", "when", "message"))
        name = read_text(*fields.take("id"), maximum=64)
        if not _ID.fullmatch(name):
            raise fields.wrong("is not a name of lower-case letters, digits, dots and dashes", code="rules", name="id")
        if name in out:
            raise fields.wrong(f"is the name of two rules: {name}", code="rules", name="id")
        message = read_text(*fields.take("message"))
        out[name] = Condition(id=name, when=_read_condition(*fields.take("when")), message=message)
    return tuple(out.values())


def _read_condition(node: Node, path: str) -> str:
    from mlsign.policy.cel import check_condition

    text = read_text(node, path, maximum=MAX_CONDITION_CHARS)
    try:
        check_condition(text)
    except InputError as err:
        raise refusal(err.message, node.place, path, code="rules", found=text, hint=err.hint) from err
    return text
