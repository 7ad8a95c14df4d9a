"""PEM: whole, in one spelling, and of one kind."""

from __future__ import annotations

import pytest

from mlsign.errors import InputError
from mlsign.formats.pem import MAX_BLOCKS, decode_pem, decode_pem_or_der, encode_pem

DER = b"\x30" + bytes(range(100))
ONE = encode_pem(DER, label="CERTIFICATE")


def test_blocks_are_what_was_encoded() -> None:
    assert decode_pem(b"for people\n" + ONE + ONE.replace(b"\n", b"\r\n"), label="CERTIFICATE", where="x") == (DER, DER)
    assert max(map(len, ONE.splitlines())) == 64
    assert decode_pem_or_der(DER, label="CERTIFICATE", where="x") == (DER,)
    assert decode_pem_or_der(ONE, label="CERTIFICATE", where="x") == (DER,)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "pem.blocks"),
        (b"text", "pem.blocks"),
        (encode_pem(DER, label="PRIVATE KEY"), "pem.label"),
        (ONE + encode_pem(DER, label="X509 CRL"), "pem.label"),
        (ONE[:-10], "pem.blocks"),
        (ONE + ONE[:-10], "pem.blocks"),
        (ONE.replace(b"END CERTIFICATE", b"END CRL"), "pem.blocks"),
        (ONE * (MAX_BLOCKS + 1), "pem.blocks"),
        (ONE.replace(b"MAAB", b"MA=B"), "base64"),
        (b"-----BEGIN CERTIFICATE-----\nAB\n-----END CERTIFICATE-----\n", "base64"),
    ],
)
def test_what_is_not_whole_or_of_another_kind_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(InputError) as caught:
        decode_pem_or_der(data, label="CERTIFICATE", where="roots.pem")
    assert (caught.value.code, caught.value.where) == (code, "roots.pem")
