"""Replays every file of every fuzz corpus through its target, and a short run of mutations, without a fuzzer."""

import importlib
import importlib.util
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).resolve().parent.parent / "fuzz"
MUTATIONS = 300
GOOD = {"manifest": 4, "statement": 4, "bundle": 5, "key": 5, "json": 8, "vsa": 4, "audit": 6, "provenance": 4, "golden_run": 6}
"""How many seeds of a corpus decode at the least: a corpus of refusals alone would test nothing behind the first check."""


sys.path.append(str(FUZZ))
TARGET_FILES = sorted((*FUZZ.glob("decode_*.py"), *FUZZ.glob("differential_*.py")))
TARGETS = {path.stem: importlib.import_module(path.stem) for path in TARGET_FILES}
MUTATE = importlib.import_module("mutate")


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


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if hasattr(target, "mutate")])
def test_nothing_escapes_from_a_few_mutations_that_keep_to_the_format(name):
    rng = random.Random(name)  # noqa: S311 - a seed that repeats is the point
    target, seeds = TARGETS[name], [path.read_bytes() for path in corpus(name)]
    bent = [target.mutate(rng.choice(seeds), rng) for _ in range(MUTATIONS)]
    assert len(set(bent)) > MUTATIONS // 3  # a seed that is no JSON is left to the fuzzer
    for data in bent:
        target.check(data)


@pytest.mark.parametrize("name", ["manifest", "statement", "bundle", "vsa"])
def test_json_is_written_as_it_was_read(name):
    tree = importlib.import_module("json_tree")
    whole = [path.read_bytes() for path in corpus(name) if path.name in {"ours.json", "full.json"}]
    assert whole
    for data in whole:
        assert tree.written(tree.ordered(tree.parsed(data))).encode() == data


def test_protobuf_is_written_as_it_was_read():
    tree = importlib.import_module("wire_tree")
    for path in corpus("onnx"):
        if path.suffix == ".onnx":
            assert tree.written(tree.parsed(path.read_bytes())) == path.read_bytes()


ATHERIS = pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="needs atheris")


@ATHERIS
def test_the_fuzzer_runs_under_coverage(tmp_path):
    folders = (tmp_path, FUZZ / "corpora" / "statement")
    command = [sys.executable, FUZZ / "engine.py", "statement", *folders, "-runs=2000", "-seed=1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = [int(edges) for edges in re.findall(r"cov: (\d+)", done.stderr)]
    assert seen[-1] > 100
    assert any(tmp_path.iterdir())


@ATHERIS
def test_what_the_fuzzer_finds_is_kept_in_the_corpus(tmp_path):
    for name in ("engine.py", "mutate.py"):
        (tmp_path / name).write_bytes((FUZZ / name).read_bytes())
    target = tmp_path / "decode_fake.py"
    target.write_text(
        "def check(data):\n    assert data != b'bad'\n\n\n"
        "if __name__ == '__main__':\n    from engine import fuzz\n\n    fuzz('fake')\n"
    )
    seeds = tmp_path / "corpora" / "fake"
    seeds.mkdir(parents=True)
    (seeds / "seed").write_bytes(b"bad")
    done = subprocess.run([sys.executable, target, "5"], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    crash = next(path for path in seeds.iterdir() if path.name != "seed")
    assert crash.name.startswith("crash-")
    assert crash.read_bytes() == b"bad"
    assert crash.name in done.stdout


@pytest.mark.parametrize(("name", "least"), GOOD.items())
def test_a_corpus_reaches_behind_the_first_check(name, least):
    from mlsign.errors import InputError
    from mlsign.formats.audit_codec import decode_line
    from mlsign.formats.bundle import decode_bundle
    from mlsign.formats.golden_run import decode_golden_run
    from mlsign.formats.manifest_codec import decode_manifest
    from mlsign.formats.slsa import decode_slsa_statement
    from mlsign.formats.statement import decode_statement
    from mlsign.formats.verification_summary import decode_summary
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
        "vsa": decode_summary,
        "bundle": decode_bundle,
        "key": key,
        "audit": decode_line,
        "provenance": decode_slsa_statement,
        "golden_run": decode_golden_run,
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
