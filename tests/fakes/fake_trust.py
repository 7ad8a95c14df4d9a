"""What a client of the local Sigstore is given to trust, and to sign with, as JSON-able values."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from fake_pki import ORGANIZATION, PublicKey, b64, der, spki

TRUSTED_ROOT = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
SIGNING_CONFIG = "application/vnd.dev.sigstore.signingconfig.v0.2+json"
TRUST_CONFIG = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"


def period(start: datetime, end: datetime | None = None) -> dict[str, str]:
    times = {"start": start} if end is None else {"start": start, "end": end}
    return {name: time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for name, time in times.items()}


def log_instance(key: PublicKey, *, log_id: bytes, details: str, url: str, valid: dict[str, str]) -> dict[str, Any]:
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {"rawBytes": b64(spki(key)), "keyDetails": details, "validFor": valid},
        "logId": {"keyId": b64(log_id)},
    }


def authority(chain: Sequence[x509.Certificate], *, url: str, valid: dict[str, str]) -> dict[str, Any]:
    """``chain`` runs from the end to the root, as trust roots have it."""
    name = chain[0].subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
    return {
        "subject": {"organization": ORGANIZATION, "commonName": name},
        "uri": url,
        "certChain": {"certificates": [{"rawBytes": b64(der(certificate))} for certificate in chain]},
        "validFor": valid,
    }


def service(url: str, *, version: int, valid: dict[str, str]) -> dict[str, Any]:
    return {"url": url, "majorApiVersion": version, "validFor": valid, "operator": ORGANIZATION}
