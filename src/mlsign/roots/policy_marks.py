"""The highest revision of each signed policy that was loaded here: a high-water mark that only rises.

One small file for each policy and signer in the state folder, written whole or not at all, under a lock that a process which
dies gives back. Whoever holds the lock reads, compares and raises: two verifiers cannot each take the other's for the first.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mlsign.digest import Digest, decode_digest, sha256
from mlsign.errors import InputError, OutsideError, TrustError, shown
from mlsign.limits import KIB
from mlsign.roots.seen import LOCK_SECONDS, sweep
from mlsign.roots.store import PrivateFolder, find_state_folder
from mlsign.strict import Fields, decode_json, encode_json

FOLDER: Final = "policies"
SCHEMA: Final = "mlsign/policy-mark/v1"
MAX_MARK_BYTES: Final = 16 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyMark:
    """A policy as its signer signed it: ``content`` is over everything that was signed."""

    policy: str
    signer: str
    revision: int | None
    content: Digest


def raise_policy_mark(mark: PolicyMark, *, peers: tuple[str, ...] = (), state: Path | None = None) -> None:
    """Returns when nothing newer was loaded before; this revision is the newest from then on.

    ``peers`` are others who may sign the policy: going back to what one of them signed before is going back. Marks of
    anybody else are not looked at, so nobody stops a policy that they may not sign.

    Raises ``TrustError`` (``policy.revision``) for an older one, for the same with other content and for none where there was
    one; for a mark that cannot be believed, read or written ``TrustError`` (``policy.mark``, ``trust.cache.…``) and ``OutsideError``.
    """
    root = state if state is not None else find_state_folder(os.environ)
    with PrivateFolder.open(root, FOLDER, create=mark.revision is not None) as folder:
        if folder is None:
            if mark.revision is None:
                return  # nothing was ever marked here, and nothing is to be
            raise OutsideError("the state folder is gone", code="trust.state", where=str(root))
        folder.lock(seconds=LOCK_SECONDS)
        sweep(folder)
        for peer in peers:
            if peer != mark.signer and (other := _read(folder, replace(mark, signer=peer))) is not None:
                _compare(mark, other)
        seen = _read(folder, mark)
        if seen is not None:
            _compare(mark, seen)
        if mark.revision is not None and (seen is None or seen.revision != mark.revision):
            folder.write(_name(mark), _encode(mark))


def _compare(mark: PolicyMark, seen: PolicyMark) -> None:
    if mark.revision is None:
        message = f"the policy {shown(mark.policy)} has no revision any more, and revision {seen.revision} was loaded here before"
    elif seen.revision is None or mark.revision < seen.revision:
        message = f"revision {mark.revision} of the policy {shown(mark.policy)} is older than {seen.revision}, which was loaded here before"
    elif mark.revision == seen.revision and mark.content != seen.content:
        message = f"revision {mark.revision} of the policy {shown(mark.policy)} was loaded here before with other content"
    else:
        return
    raise TrustError(
        message,
        code="policy.revision",
        where=shown(seen.signer),
        expected=f"revision {seen.revision} as it was, or a later one",
        found="no revision" if mark.revision is None else f"revision {mark.revision}",
        hint="get the newest policy from whoever signs it; a policy that changes gets a higher revision, and is signed again",
    )


def _name(mark: PolicyMark) -> str:
    return f"{sha256(encode_json([mark.policy, mark.signer])).hex}.json"


def _read(folder: PrivateFolder, mark: PolicyMark) -> PolicyMark | None:
    """The mark for the policy and the signer of ``mark``."""
    name = _name(mark)
    data = folder.read(name, max_bytes=MAX_MARK_BYTES)
    if data is None:
        return None
    try:
        return _decode(data, mark)
    except InputError as err:
        raise TrustError(
            f"the mark of the newest revision cannot be read: {err}",
            code="policy.mark",
            where=f"{folder.where}/{name}",
            hint="find out what changed it; with it removed, whichever revision is loaded next counts as the newest",
        ) from err


def _decode(data: bytes, mark: PolicyMark) -> PolicyMark:
    fields = Fields(decode_json(data, max_bytes=MAX_MARK_BYTES), where="", format_name="policy_mark")
    fields.literal("schema", allowed=(SCHEMA,))
    found = PolicyMark(
        policy=fields.literal("policy", allowed=(mark.policy,)),
        signer=fields.literal("signer", allowed=(mark.signer,)),
        revision=fields.integer("revision", minimum=1),
        content=decode_digest(fields.text("content")),
    )
    fields.done()
    return found


def _encode(mark: PolicyMark) -> bytes:
    return encode_json(
        {
            "schema": SCHEMA,
            "policy": mark.policy,
            "signer": mark.signer,
            "revision": mark.revision,
            "content": str(mark.content),
        }
    )
