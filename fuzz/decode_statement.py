"""Fuzz target: the signed payload. Only ``InputError`` may escape, and what decodes is sound whoever signed it."""

from mlsign.errors import InputError
from mlsign.formats.statement import decode_statement, encode_statement, subject_digest


def check(data: bytes) -> None:
    """Decodes ``data`` as a statement; what mlsign would write for it decodes to the same value."""
    try:
        statement = decode_statement(data)
    except InputError as err:
        assert err.code
        assert "\x1b" not in str(err)
        return
    assert statement.resources
    assert len({resource.path.folded for resource in statement.resources}) == len(statement.resources)
    assert statement.subject_digest == subject_digest(statement.resources)
    for resource in statement.resources:
        assert ".." not in resource.path.parts
        assert not resource.path.text.startswith("/")
        assert resource.digest.algorithm is statement.algorithm
    for path in statement.ignore_paths:
        assert path
        assert not path.startswith("/")
        assert ".." not in path.split("/")
    assert decode_statement(encode_statement(statement)) == statement


if __name__ == "__main__":
    from mutate import run

    run(check, corpus="statement")
