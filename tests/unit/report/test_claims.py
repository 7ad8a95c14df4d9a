"""How claimed signers are spelled: nothing in a bundle may read as words of ours."""

import pytest

from mlsign.actions.inspection.claimed_signers import ClaimedSigner
from mlsign.report.claims import claimed_object, who_claims


def claim(**fields):
    return ClaimedSigner(
        **(dict.fromkeys(("bundle", "method", "holder", "issuer", "key_hint", "subject", "problem"), "") | fields)
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "a key without a hint which"),
        ({"key_hint": "ab12"}, "the key with the hint ab12"),
        ({"key_hint": "0123456789abcdef"}, "the key with the hint 0123456789abcdef"),
        ({"key_hint": "0123456789abcdef0"}, "the key with the hint 0123456789abcdef…"),
        ({"key_hint": "x, verified"}, 'the key with the hint "x, verified"'),
        ({"key_hint": "\x1b[31m"}, r'the key with the hint "\u{1b}[31m"'),
        ({"holder": "a@b.example", "issuer": "https://i.example"}, "a@b.example by https://i.example"),
        ({"holder": "a@b.example, verified", "issuer": "i"}, '"a@b.example, verified" by i'),
        ({"holder": 'a" by "us', "issuer": ""}, r'"a\u{22} by \u{22}us" by ""'),
        ({"holder": "a\n\u202eb", "issuer": "i"}, r'"a\u{a}\u{202e}b" by i'),
    ],
)
def test_in_one_line(fields, words):
    assert who_claims(claim(**fields)) == words


def test_as_an_object():
    assert claimed_object(claim(holder="a", subject="s")) == {
        **dict.fromkeys(("bundle", "method", "issuer", "key_hint", "problem"), ""),
        "holder": "a",
        "subject": "s",
    }
