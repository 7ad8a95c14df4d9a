"""Replays every file of every fuzz corpus through its target, and a short run of mutations, without a fuzzer."""

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest

FUZZ = Path(__file__).resolve().parent.parent / "fuzz"
MUTATIONS = 300
GOOD = {"manifest": 4, "statement": 4, "bundle": 5, "key": 5, "json": 8}
"""How many seeds of a corpus decode at the least: a corpus of refusals alone would test nothing behind the first check."""


def load(path: Path) -> ModuleType:
    if str(FUZZ) not in sys.path:
        sys.path.append(str(FUZZ))
    spec = importlib.util.spec_from_file_location(f"fuzz_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TARGETS = {path.stem: module for path in sorted(FUZZ.glob("*.py")) if hasattr(module := load(path), "check")}
MUTATE = load(FUZZ / "mutate.py")


def corpus(name: str) -> list[Path]:
    folder = FUZZ / "corpora" / name.removeprefix("decode_")
    return sorted(p for p in folder.iterdir() if p.is_file()) if folder.is_dir() else []


SEEDS = [(name, path) for name in TARGETS for path in corpus(name)]


def test_every_target_has_a_corpus_and_every_corpus_a_target():
    assert {name for name, _ in SEEDS} == set(TARGETS)
    known = {name.removeprefix("decode_") for name in TARGETS}
    assert {folder.name for folder in (FUZZ / "corpora").iterdir() if folder.is_dir()} <= known


@pytest.mark.parametrize(("name", "path"), SEEDS, ids=lambda value: value if isinstance(value, str) else value.name)
def test_nothing_escapes_from_the_corpus(name, path):
    TARGETS[name].check(path.read_bytes())


@pytest.mark.parametrize("name", [f"decode_{name}" for name in GOOD])
def test_nothing_escapes_from_a_few_mutations(name):
    rng = random.Random(name)  # noqa: S311 - a seed that repeats is the point
    seeds = [path.read_bytes() for path in corpus(name)]
    words = getattr(TARGETS[name], "WORDS", MUTATE.JSON_WORDS)
    for _ in range(MUTATIONS):
        TARGETS[name].check(MUTATE.mutated(rng.choice(seeds), rng, words))


@pytest.mark.parametrize(("name", "least"), GOOD.items())
def test_a_corpus_reaches_behind_the_first_check(name, least):
    from mlsign.errors import InputError
    from mlsign.formats.bundle import decode_bundle
    from mlsign.formats.manifest_codec import decode_manifest
    from mlsign.formats.statement import decode_statement
    from mlsign.signers.key import decode_private_key
    from mlsign.strict import decode_json
    from mlsign.trust.keys import decode_public_key

    def key(data: bytes) -> object:
        if b"PRIVATE" in data:
            return decode_private_key(data, where="", ask_password=lambda: b"password")
        return decode_public_key(data)

    decoders = {
        "manifest": decode_manifest,
        "statement": decode_statement,
        "bundle": decode_bundle,
        "key": key,
        "json": lambda data: decode_json(data, max_bytes=1 << 20),
    }
    good = 0
    for path in corpus(name):
        try:
            decoders[name](path.read_bytes())
        except InputError:
            continue
        good += 1
    assert good >= least
