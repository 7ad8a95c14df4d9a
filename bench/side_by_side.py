"""Tables of one command beside others, and the three that every tree of files gets: verify, sign and pack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contenders import Command, Samples, duration, in_rounds, of_bytes
from goals import Goal, at_least, at_most
from page import heading, progress, row
from workbench import MLSIGN, PEER, Workbench, clear

PEAK = Goal(limit=120e6, words="under 120 MB")
BESIDE_VERIFY = at_most(1.3)
ENOUGH_SECONDS = 30
"""After that a table gets no other round: writing takes very long on some disks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A command that ours is held against, and what the ratio of the two should be."""

    command: Command
    goal: Goal | None = None


def print_table(
    what: str, ours: Command, peers: Sequence[Peer], *, rounds: int, peak: Goal | None = None
) -> Mapping[str, Samples]:
    """Runs all of them in rounds. The ratio says how much faster ours is where the goal is a least, else how many times as long
    it takes."""
    progress(f"{what}: {', '.join(peer.command.name for peer in peers)} beside {ours.name}, up to {rounds + 1} rounds")
    samples = in_rounds([ours, *(peer.command for peer in peers)], rounds=rounds, seconds=ENOUGH_SECONDS)
    mine = samples[ours.name]
    heading(what, "takes", "peak memory", f"`{ours.name}` beside it", "goal")
    limit = f"memory {peak.judged(mine.peak)}" if peak else ""
    row(f"`{ours.name}`", duration(mine.clock), of_bytes(mine.peak), "", limit)
    for peer in peers:
        theirs = samples[peer.command.name]
        faster = peer.goal is not None and peer.goal.least
        ratio = theirs.over(mine) if faster else mine.over(theirs)
        words = f"{ratio:.2f} times {'faster' if faster else 'as long'}"
        goal = peer.goal.judged(ratio) if peer.goal else ""
        row(f"`{peer.command.name}`", duration(theirs.clock), of_bytes(theirs.peak), words, goal)
    return samples


def print_package_tables(
    bench: Workbench,
    what: str,
    source: Path,
    package: Path,
    *,
    extra: Sequence[object] = (),
    floors: Sequence[Peer],
    faster: float,
) -> None:
    """Verify, sign and pack, for a model in ``source`` and the signed package that was made of it."""
    theirs, signature = bench.folder / "theirs.sig", bench.folder / "own.sig"
    sign_peer = [PEER, "sign", "key", source, "--private_key", bench.private, "--signature"]
    bench.run(*sign_peer, theirs)
    verify = bench.verify(package)
    check = [PEER, "verify", "key", source, "--public_key", bench.public, "--signature", theirs]
    peer = Peer(command=Command(name="model_signing verify key", argv=check), goal=at_least(faster))
    print_table(f"verify {what}", verify, [peer, *floors], rounds=bench.rounds(3), peak=PEAK)

    kept = package / "signatures"
    sign = Command(name="mlsign sign", argv=[MLSIGN, "sign", package, "--key", bench.private], before=clear(kept))
    peers = [
        Peer(command=verify, goal=BESIDE_VERIFY),
        Peer(command=Command(name="model_signing sign key", argv=[*sign_peer, signature], before=clear(signature))),
    ]
    print_table(f"sign {what}", sign, peers, rounds=bench.rounds(3))

    made, copy = bench.folder / "made-1.0.0", bench.folder / "copy"
    fresh = clear(made, copy)  # before each: what it still had to write to the disk is forgotten with it
    pack = Command(name="mlsign pack", argv=[MLSIGN, "pack", source / "model.onnx", "-o", made, *extra], before=fresh)
    peers = [
        Peer(command=Command(name=verify.name, argv=verify.argv, before=fresh), goal=BESIDE_VERIFY),
        Peer(command=Command(name="cp -r", argv=["cp", "-r", source, copy], before=fresh)),
        Peer(command=Command(name="cp -r --reflink=never", argv=["cp", "-r", "--reflink=never", source, copy], before=fresh)),
    ]
    print_table(f"pack {what}", pack, peers, rounds=bench.rounds(2))
    clear(made, copy, theirs, signature)()
