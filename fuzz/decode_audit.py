"""Fuzz target: the lines of an audit log. Only ``InputError`` may escape, what decodes has one spelling, and a chain says why it breaks.

The first line of the data, and the whole of it as a log; each line is also given the digest that fits it, so that more than
the digest is tried.
"""

import itertools
import json
import random
from pathlib import Path
from typing import Any

import jsonschema
from json_tree import STRINGS, bent
from oracles import check_refusal, plain_json

from mlsign.digest import sha256
from mlsign.errors import InputError
from mlsign.formats.audit import SealedLine, decode_head
from mlsign.formats.audit_chain import ChainCheck
from mlsign.formats.audit_codec import decode_line, decode_note, encode_line, encode_note
from mlsign.strict import encode_json

FIELDS = (
    *("caller", "chain", "code", "digest", "enforced", "event", "exceptions", "findings", "findings_omitted", "group", "host"),
    *("identity", "kind", "loosened", "message", "method", "mlsign", "mode", "name", "now", "outcome", "package", "path"),
    *("policy", "previous", "process", "schema", "sequence", "signers", "signers_omitted", "size", "source", "time", "trust"),
    *("user", "user_id", "verdict", "version", "where", "who"),
)
VALUES = ("mlsign/audit/v1", "mlsign/audit-head/v1", "decision", "error", "torn", "allow", "deny", "enforce", "audit", "unknown")
WORDS = tuple(f'"{word}"'.encode() for word in (*FIELDS, *VALUES, *STRINGS) if word.isascii() and word.isprintable())
_SCHEMA = Path(__file__).resolve().parent.parent / "schemas" / "audit.v1.schema.json"
SCHEMA = jsonschema.Draft202012Validator(json.loads(_SCHEMA.read_bytes()))


def decoded(data: bytes) -> SealedLine | None:
    try:
        return decode_line(data)
    except InputError as err:
        check_refusal(err)
        return None


def resealed(data: bytes) -> bytes | None:
    """The line with the digest that fits what is in it, where it is a JSON object at all."""
    try:
        value: Any = json.loads(data)
        value.pop("digest", None)
        return encode_json({**value, "digest": str(sha256(encode_json(value)))})
    except (InputError, ValueError, AttributeError, TypeError, RecursionError):
        return None


def check_line(data: bytes) -> None:
    sealed = decoded(data)
    if sealed is None:
        return
    assert encode_line(sealed.line) == data
    assert decode_head(str(sealed.head)) == sealed.head
    assert SCHEMA.is_valid(plain_json(data))


def check(data: bytes) -> None:
    """Decodes the first line, as it is and resealed, a note, and all lines as a log."""
    lines = data.split(b"\n")
    check_line(lines[0])
    fitting = resealed(lines[0])
    if fitting is not None:
        check_line(fitting)
    try:
        assert encode_note(decode_note(lines[0])) == lines[0]
    except InputError as err:
        check_refusal(err)
    chain = ChainCheck()
    for number, line in enumerate(lines, 1):
        chain.feed(line, file="a", number=number)
    result = chain.result(file="a")
    assert result.lines == len(lines)
    # Intact is what follows from line 1 on, and nothing else.
    found = [sealed for line in lines if (sealed := decoded(line)) is not None]
    if not result.problems:
        assert [sealed.line.sequence for sealed in found] == list(range(1, len(found) + 1))
        pairs = itertools.pairwise(found)
        assert all(later.line.previous == sealed.digest for sealed, later in pairs)
        assert len(found) == len(lines) or result.torn


def mutate(data: bytes, rng: random.Random) -> bytes:
    """A line bent as JSON, mostly with the digest that fits; or lines moved, doubled and dropped."""
    lines = data.split(b"\n")
    index = rng.randrange(len(lines))
    if len(lines) > 1 and rng.random() < 0.5:
        other = rng.randrange(len(lines))
        match rng.randrange(3):
            case 0:
                lines[index], lines[other] = lines[other], lines[index]
            case 1:
                lines.insert(other, lines[index])
            case _:
                del lines[index]
        return b"\n".join(lines)
    line = bent(lines[index], rng, words=(*FIELDS, *VALUES, *STRINGS), settle=lambda *_: None)
    lines[index] = (resealed(line) if rng.random() < 0.7 else None) or line
    return b"\n".join(lines)


if __name__ == "__main__":
    from engine import fuzz

    fuzz("audit")
