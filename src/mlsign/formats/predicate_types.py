"""Which kind of statement a payload calls itself, so that the right decoder refuses or reads it once it is authentic.

The decoders are in modules of their own, which most packages have no need of.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import Final

from mlsign.errors import InputError
from mlsign.limits import DEFAULT, KIB, MIB, Limits
from mlsign.strict import decode_json

COUNTERSIGNATURE_TYPE: Final = "https://mlsign/countersignature/v1"
SUMMARY_TYPE: Final = "https://slsa.dev/verification_summary/v1"
PROVENANCE_TYPE: Final = "https://slsa.dev/provenance/v1"
TEST_RESULT_TYPE: Final = "https://in-toto.io/attestation/test-result/v0.1"
MAX_COUNTERSIGNATURE_BYTES: Final = 16 * KIB
MAX_SUMMARY_BYTES: Final = 128 * KIB
MAX_PROVENANCE_BYTES: Final = MIB
MAX_GOLDEN_RUN_BYTES: Final = MIB
_GOLDEN_RUN_DIGITS: Final = 21
"""Canonical JSON writes doubles below 10^21, as errors in golden runs can be, as integers of so many digits."""


def golden_run_limits(limits: Limits) -> Limits:
    """The limits, with room for the numbers of golden runs."""
    return replace(limits, max_json_integer_digits=max(limits.max_json_integer_digits, _GOLDEN_RUN_DIGITS))


class PredicateType(Enum):
    """The kinds of in-toto statement that vouch for something else than the content of a package."""

    COUNTERSIGNATURE = COUNTERSIGNATURE_TYPE
    SUMMARY = SUMMARY_TYPE
    PROVENANCE = PROVENANCE_TYPE
    GOLDEN_RUN = TEST_RESULT_TYPE


_MAX_BYTES: Final = {
    PredicateType.COUNTERSIGNATURE: MAX_COUNTERSIGNATURE_BYTES,
    PredicateType.SUMMARY: MAX_SUMMARY_BYTES,
    PredicateType.PROVENANCE: MAX_PROVENANCE_BYTES,
    PredicateType.GOLDEN_RUN: MAX_GOLDEN_RUN_BYTES,
}


def claimed_predicate(payload: bytes, *, limits: Limits = DEFAULT) -> PredicateType | None:
    """The kind that a payload calls itself; None for the signature of a package, and for what no decoder of its kind would read.

    Proves nothing: it only says which decoder is to refuse the payload or read it.
    """
    # Signatures of packages may be large and are told by a search alone. Build platforms escape slashes, each as its library does.
    spelled = payload.replace(b"\\/", b"/")
    if not any(kind.value.encode() in spelled for kind in PredicateType):
        return None
    try:
        value = decode_json(payload, max_bytes=max(_MAX_BYTES.values()), limits=golden_run_limits(limits))
    except InputError:
        return None
    claimed = value.get("predicateType") if isinstance(value, dict) else None
    found = next((kind for kind in PredicateType if kind.value == claimed), None)
    return None if found is None or len(payload) > _MAX_BYTES[found] else found
