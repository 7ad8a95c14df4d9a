"""Kinds of signing keys, apart from the code that makes them so that naming one costs no import."""

from __future__ import annotations

from enum import Enum


class KeyType(Enum):
    """Elliptic curves of FIPS 186-5 that OMS verifiers know."""

    P256 = "p256"
    P384 = "p384"
    P521 = "p521"
