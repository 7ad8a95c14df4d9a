"""Mutation with nothing but Python: edits of bytes and of JSON-like words at random places.

The test run bends every corpus a little with it, and ``engine.py`` falls back on it where Atheris does not run.
"""

import hashlib
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

CORPORA = Path(__file__).parent / "corpora"
JSON_WORDS: Sequence[bytes] = (
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u0000", b"\\ud800", b"null", b"true", b"1_0", b"-0", b"1e999"),
    *(
        b"9007199254740993",
        b"0x1",
        b"NaN",
        b"01",
        b"1.0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\x00",
        b" ",
        b"\n",
        b"[" * 70,
        b'{"a":' * 70,
    ),
    *(b"../", b"/", b"signatures", b"mlsign.json", b"e\xcc\x81", b"\xe2\x80\xae", b"sha256:", b"A" * 64, b"==", b"="),
)


def mutated(data: bytes, rng: random.Random, words: Sequence[bytes]) -> bytes:
    """A few edits: bits turned, pieces cut, doubled or moved, words put in."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 5)):
        at = rng.randint(0, len(out))
        end = min(len(out), at + rng.randint(1, 40))
        match rng.randint(0, 4):
            case 0 if out:
                out[min(at, len(out) - 1)] ^= 1 << rng.randint(0, 7)
            case 1:
                del out[at:end]
            case 2:
                out[at:at] = out[at:end]
            case 3:
                piece = out[at:end]
                del out[at:end]
                to = rng.randint(0, len(out))
                out[to:to] = piece
            case _:
                out[at:at] = rng.choice(words)
    return bytes(out)


def run(check: Callable[[bytes], None], *, corpus: str, words: Sequence[bytes], seconds: float, seed: int) -> None:
    """Mutates the corpus until the time is up or something escapes; that is kept in the corpus."""
    rng = random.Random(seed)  # noqa: S311 - a seed that repeats is the point
    folder = CORPORA / corpus
    seeds = [path.read_bytes() for path in sorted(folder.iterdir())]
    tried, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        data = mutated(rng.choice(seeds), rng, words)
        try:
            check(data)
        except BaseException:
            kept = folder / f"crash-{hashlib.sha256(data).hexdigest()[:16]}"
            kept.write_bytes(data)
            print(f"kept as {kept}")
            raise
        tried += 1
    print(f"{corpus}: {tried} tried, nothing escaped")
