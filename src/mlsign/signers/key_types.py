"""Kinds of signing keys, apart from the code that makes them so that naming one costs no import."""

from __future__ import annotations

from enum import Enum


class KeyType(Enum):
    """Elliptic curves of FIPS 186-5 that OMS verifiers know, and ML-DSA-65 of FIPS 204, which only mlsign verifies yet."""

    P256 = "p256"
    P384 = "p384"
    P521 = "p521"
    ML_DSA_65 = "ml-dsa-65"


def note_on(kind: str) -> str:
    """What to tell whoever makes or uses a key of this kind (as in ``KeyIdentity.kind``); empty for kinds all tools know."""
    if kind != "ML-DSA-65":
        return ""
    return "experimental: other verifiers (OMS tools, sigstore) cannot read ML-DSA bundles yet; sign with a classical key as well"
