"""The fuzz target of policies: its corpus, what hypothesis makes, and a short run of its own mutations."""

import importlib.util
import random
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

FUZZ = Path(__file__).resolve().parents[2] / "fuzz"
SEEDS = sorted((FUZZ / "corpora" / "policy").iterdir())


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_decode_policy", FUZZ / "decode_policy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TARGET = load()


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.name)
def test_the_corpus_does_no_harm(path: Path) -> None:
    TARGET.check(path.read_bytes())


def test_the_corpus_has_policies_that_decode() -> None:
    good = [path for path in SEEDS if path.suffix == ".yaml"]
    assert len(good) >= 6
    for path in good:
        TARGET.decode_policy(path.read_bytes(), name="policy.yaml", operator_sets=TARGET.SETS, hazards=TARGET.HAZARDS)


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_do_no_harm(data: bytes) -> None:
    TARGET.check(data)


def test_mutated_policies_do_no_harm() -> None:
    rng = random.Random(20260102)  # noqa: S311  # a seed that repeats is the point
    seeds = [path.read_bytes() for path in SEEDS]
    for _ in range(400):
        TARGET.check(TARGET.mutate(rng.choice(seeds), rng))
