"""What ``mlsign sign`` says: beside whom it signs, and as whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlsign.cli.console import say
from mlsign.errors import shown
from mlsign.identity import Identity, KeyIdentity

if TYPE_CHECKING:
    from mlsign.actions.signing.countersign import CountersignedBundle
    from mlsign.actions.signing.sign import Neighbour
    from mlsign.actions.verification.attest_verdict import Attested

_MAX_NEIGHBOURS = 20


def say_neighbours(found: tuple[Neighbour, ...], *, checked: bool) -> None:
    """Each signature that is there already: by whom, if that was ``checked``, and whether it is over the same files."""
    nobody = "nobody whom the policy names" if checked else "not checked"
    for neighbour in found[:_MAX_NEIGHBOURS]:
        method = "" if neighbour.method is None else f" by {neighbour.method.value}"
        who = nobody if neighbour.identity is None else shown(neighbour.identity.unique)
        say(f"there already: {shown(neighbour.bundle)}{method}, {neighbour.agreement.value}; signer: {who}")
    if len(found) > _MAX_NEIGHBOURS:
        say(f"and {len(found) - _MAX_NEIGHBOURS} more")
    if not checked and any(neighbour.identity is None and neighbour.method is not None for neighbour in found):
        say("signers are checked against a policy: give --policy FILE")


def say_countersigned(made: CountersignedBundle) -> None:
    """Which signature was vouched for, whose it is, and by whom."""
    whose = "; its signer was not checked: give --policy FILE" if made.signer is None else f" by {shown(made.signer.unique)}"
    say(f"countersigned {shown(made.over)}{whose}")
    say_identity(made.identity)


def say_attested(made: Attested) -> None:
    """Where the summary is and by whom, or that there is none."""
    if made.bundle is None or made.identity is None:
        say("no verification summary was written: only what is allowed is attested")
        return
    say(f"verification summary {shown(made.bundle)}")
    say_identity(made.identity)


def say_identity(identity: Identity) -> None:
    """As whom the package is signed, and what is special about that."""
    from mlsign.signers.key_types import note_on

    if isinstance(identity, KeyIdentity):
        say(f"by {identity.kind} key {identity.spki}")
        if note := note_on(identity.kind):
            say(note)
    else:
        say(f"by {shown(identity.unique)}")
