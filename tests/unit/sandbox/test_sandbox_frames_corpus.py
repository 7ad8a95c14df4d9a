"""The seeds of the frame fuzzer, and past crashes, replayed; and a short walk of its own."""

import importlib.util
import random
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[3] / "fuzz"
SEEDS = sorted((FUZZ / "corpora" / "frames").iterdir())

_spec = importlib.util.spec_from_file_location("fuzz_decode_frames", FUZZ / "decode_frames.py")
target = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(target)


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.name)
def test_a_kept_frame(path):
    target.check(path.read_bytes())


def test_the_seeds_are_what_the_target_writes_and_decode():
    for name, data in target.seeds().items():
        assert (FUZZ / "corpora" / "frames" / name).read_bytes() == data
        assert not isinstance(target.decoded(data), Exception)


def test_a_short_walk():
    rng = random.Random(3)  # noqa: S311  a seed that repeats is the point
    corpus = [path.read_bytes() for path in SEEDS]
    decoded = 0
    for _ in range(3000):
        data = target.mutate(rng.choice(corpus), rng)
        target.check(data)
        decoded += not isinstance(target.decoded(data), Exception)
    assert decoded > 10
