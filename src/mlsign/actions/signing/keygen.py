"""Keygen: a new signing key, in two files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlsign.errors import InputError
from mlsign.formats.pem import encode_pem
from mlsign.package.write import write_new_files
from mlsign.signers.key import generate_key
from mlsign.signers.key_types import KeyType
from mlsign.trust.keys import PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class KeygenRequest:
    """``password`` None leaves the private key unencrypted, which the caller must have asked for by name."""

    kind: KeyType
    password: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """Where the two halves are, and the identity that policies and reports know them by."""

    private_path: Path
    public_path: Path
    public: PublicKey


def keygen(stem: Path, request: KeygenRequest) -> KeyPair:
    """Writes ``STEM.key`` (mode 0600) and ``STEM.pub``; neither is ever overwritten.

    Raises ``InputError`` (``usage.output``, ``password.length``, ``output.exists``) and ``OutsideError``.
    """
    _check_name(stem)
    private, public, identity = generate_key(request.kind, password=request.password)
    private_path, public_path = stem.with_name(f"{stem.name}.key"), stem.with_name(f"{stem.name}.pub")
    write_new_files(((private_path, private, 0o600), (public_path, public, 0o644)))
    return KeyPair(private_path=private_path, public_path=public_path, public=identity)


def write_public_key(stem: Path, public: PublicKey) -> Path:
    """Writes ``STEM.pub``, the public half of a key that stays where it is; never overwritten. Raises as ``keygen`` does."""
    _check_name(stem)
    path = stem.with_name(f"{stem.name}.pub")
    write_new_files(((path, encode_pem(public.der, label="PUBLIC KEY"), 0o644),))
    return path


def _check_name(stem: Path) -> None:
    if stem.name in ("", ".."):
        raise InputError(
            "is no name for a key",
            code="usage.output",
            where=str(stem),
            hint="give a file name without its ending, such as -o keys/release",
        )
