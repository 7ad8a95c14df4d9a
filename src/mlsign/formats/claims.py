"""Which kind of statement a payload calls itself, so that the right decoder refuses or reads it once it is authentic.

The decoders are in modules of their own, which most packages have no need of.
"""

from __future__ import annotations

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


def claims_countersignature(payload: bytes, *, limits: Limits = DEFAULT) -> bool:
    """Whether a payload calls itself a countersignature."""
    named = COUNTERSIGNATURE_TYPE.encode() in payload
    return named and _is_claimed(payload, COUNTERSIGNATURE_TYPE, max_bytes=MAX_COUNTERSIGNATURE_BYTES, limits=limits)


def claims_summary(payload: bytes, *, limits: Limits = DEFAULT) -> bool:
    """Whether a payload calls itself a verification summary."""
    named = SUMMARY_TYPE.encode() in payload
    return named and _is_claimed(payload, SUMMARY_TYPE, max_bytes=MAX_SUMMARY_BYTES, limits=limits)


def claims_provenance(payload: bytes, *, limits: Limits = DEFAULT) -> bool:
    """Whether a payload calls itself provenance, slashes escaped or not: build platforms write it, each with its own library."""
    named = PROVENANCE_TYPE.encode() in payload.replace(b"\\/", b"/")
    return named and _is_claimed(payload, PROVENANCE_TYPE, max_bytes=MAX_PROVENANCE_BYTES, limits=limits)


def claims_golden_run(payload: bytes, *, limits: Limits = DEFAULT) -> bool:
    """Whether a payload calls itself the result of a test, as signed golden runs do."""
    named = TEST_RESULT_TYPE.encode() in payload
    return named and _is_claimed(payload, TEST_RESULT_TYPE, max_bytes=MAX_GOLDEN_RUN_BYTES, limits=limits)


def _is_claimed(payload: bytes, kind: str, *, max_bytes: int, limits: Limits) -> bool:
    try:
        value = decode_json(payload, max_bytes=max_bytes, limits=limits)
    except InputError:
        return False
    return isinstance(value, dict) and value.get("predicateType") == kind
