"""Load a signer by certificate: a key that is at hand, its certificate, and those between it and a root."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from mlsign.errors import InputError
from mlsign.limits import DEFAULT, Limits
from mlsign.package.read import read_user_file
from mlsign.signers.certificate import CertificateSigner, KeyHolder
from mlsign.trust.certificates import decode_certificates, is_self_signed
from mlsign.trust.root import CertificateTrust


def load_certificate_signer(
    key: KeyHolder,
    *,
    certificate: Path,
    chain: tuple[Path, ...] = (),
    now: datetime | None = None,
    limits: Limits = DEFAULT,
) -> CertificateSigner:
    """A signer with ``key`` and the one certificate in the PEM file ``certificate``.

    The files of ``chain`` hold the certificates above it, in the order of issue; that of the signer may be repeated there,
    and the root may be left out. What the signer makes is held against that root, or against the last certificate there is:
    a check of what was given, and no more. Raises ``InputError`` (``certificate.…``, ``key.kind``, ``file.size``), ``TrustError`` (``certificate.…``) for a
    certificate that is none to sign with, and ``OutsideError`` (``file.read``).
    """
    found = _read(certificate, limits=limits)
    if len(found) != 1:
        raise InputError(
            f"holds {len(found)} certificates, expected the one of the signer",
            code="certificate.several",
            where=str(certificate),
            hint="keep the certificates above it in a file of their own, and name that as the chain",
        )
    above = tuple(der for path in chain for der in _read(path, limits=limits))
    certificates = tuple(dict.fromkeys((*found, *above)))
    roots = tuple(der for der in above if is_self_signed(der)) or certificates[-1:]
    return CertificateSigner(key, chain=certificates, trust=CertificateTrust(anchors=roots), now=now)


def _read(path: Path, *, limits: Limits) -> tuple[bytes, ...]:
    pem, _ = read_user_file(path, max_bytes=limits.max_key_bytes, what="certificate")
    return decode_certificates(pem, where=str(path))
