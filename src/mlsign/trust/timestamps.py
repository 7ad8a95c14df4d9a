"""RFC 3161 timestamps over signatures, by the authorities of a trust root.

The parsing and checking of timestamp tokens (CMS, RFC 5652) is ``rfc3161-client``'s; which authority is believed, and for
how long, is decided here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from mlsign.errors import InputError, TrustError
from mlsign.formats.trusted_root import Authority
from mlsign.times import TimeSource, TrustedTime
from mlsign.trust.certificates import UNREADABLE, load_certificate

if TYPE_CHECKING:
    from datetime import datetime

    from rfc3161_client import TimeStampResponse
    from rfc3161_client.verify import Verifier

# Most signatures carry no timestamp: the library is loaded with the first one that does.


def verify_timestamp(response: bytes, *, signature: bytes, authorities: tuple[Authority, ...]) -> TrustedTime:
    """The time at which ``signature`` existed, by one of the authorities.

    Raises ``InputError`` (``timestamp.format``) and ``TrustError`` (``timestamp.untrusted``, ``timestamp.period``).
    """
    return _time_of(response, signature, authorities)


def decode_timestamp(response: bytes) -> tuple[TimeStampResponse, datetime]:
    """The timestamp and the time in it, by whomever. Raises ``InputError`` (``timestamp.format``)."""
    from rfc3161_client import decode_timestamp_response  # noqa: PLC0415 - loaded when it is needed

    try:
        token = decode_timestamp_response(response)
        time = token.tst_info.gen_time
    except UNREADABLE as err:
        raise InputError("is not an RFC 3161 timestamp", code="timestamp.format", where="timestamp") from err
    return token, time


@lru_cache(maxsize=64)
def _time_of(response: bytes, signature: bytes, authorities: tuple[Authority, ...]) -> TrustedTime:
    """Kept, since it follows from nothing else: a gate sees the same package again and again."""
    token, time = decode_timestamp(response)
    outside = False
    for authority in authorities:
        if not _is_by(token, authority, signature=signature):
            continue
        if authority.period.covers(time):
            return TrustedTime(time=time, source=TimeSource.TIMESTAMP)
        outside = True
    if outside:
        raise TrustError(
            f"the timestamp is of {time:%Y-%m-%dT%H:%M:%SZ}, when its authority was not to be trusted", code="timestamp.period"
        )
    raise TrustError(
        "the timestamp is not one over this signature by an authority of the trust root",
        code="timestamp.untrusted",
        expected=", ".join(_name(authority) for authority in authorities) or "no authority at all",
        found=f"one of {time:%Y-%m-%dT%H:%M:%SZ}",
    )


def _is_by(token: TimeStampResponse, authority: Authority, *, signature: bytes) -> bool:
    from rfc3161_client import VerificationError  # noqa: PLC0415 - loaded when it is needed

    try:
        # The one that stamps, and not one of those that certify it: where a token brings no certificates, the library takes any.
        stamping = load_certificate(authority.certificates[0])
        signers = [(each.issuer, each.serial_number) for each in token.signed_data.signer_infos]
        if signers != [(stamping.issuer, stamping.serial_number)]:
            return False
        # True or an exception; whatever else it may come to return is a refusal.
        return _verifier(authority.certificates).verify_message(token, signature) is True
    except (VerificationError, *UNREADABLE):  # such as for certificates that a token brings along
        return False


@lru_cache(maxsize=64)
def _verifier(chain: tuple[bytes, ...]) -> Verifier:
    from rfc3161_client import VerifierBuilder  # noqa: PLC0415 - loaded when it is needed

    certificates = [load_certificate(der) for der in chain]
    return VerifierBuilder(
        tsa_certificate=certificates[0],
        intermediates=certificates[1:-1],
        roots=certificates[-1:],
    ).build()


def _name(authority: Authority) -> str:
    return load_certificate(authority.certificates[0]).subject.rfc4514_string()
