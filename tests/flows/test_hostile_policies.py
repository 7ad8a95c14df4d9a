"""Policies, cases and records that somebody made large, deep or tangled on purpose: refused by name, in bounded memory and time.

Each is run as a process of its own. No run is held against the clock; the bounds on memory and on the time of the processor
are several times what was measured, and far below what one that grows with the square of its input would take.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from child_process import MIB, Run, run_each, run_mlsign
from making import canonical, make_key, make_package, write_policy

from mlsign.errors import InputError

SMALL = 160 * MIB
SECONDS = 20
START = "apiVersion: mlsign/v1\nkind: Policy\nname: hostile\n"
SIGNERS = "signers: [{name: release, require: 1, any: [{key: keys/release.pub}]}]\n"
OPERATORS = "operators: {allow: [inference-v1]}\n"
HEAD = START + SIGNERS + OPERATORS


def each(count: int, line: Callable[[int], str]) -> str:
    return "".join(f"{line(number)}\n" for number in range(count))


def rule(when: str, number: int = 0) -> str:
    return f"  - {{id: r{number}, when: {json.dumps(when)}, message: m}}"


def exception(number: int) -> str:
    return f"  - {{digest: 'sha256:{number:064x}', findings: [MLS301], reason: r, until: 2030-01-01T00:00:00Z}}"


def revocation(number: int, reason: str = "r") -> str:
    return f"  - {{digest: 'sha256:{number:064x}', reason: {reason}}}"


def sum_of(name: str, levels: int) -> str:
    return name if levels == 0 else f"({sum_of(name, levels - 1)}+{sum_of(name, levels - 1)})"


LAUGHS = "a: &a [x, x, x]\n" + each(9, lambda n: f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]")

POLICIES = {
    "ten-megabytes": (HEAD + "# remark\n" * 1_200_000, "file.size", "allowed are 1048576"),
    "one-line": (HEAD + "description: " + "x" * 900_000, "policy.line", "allowed are 4096"),
    "many-lines": (HEAD + "#\n" * 500_000, "policy.line", "allowed are 20000"),
    "aliases": (LAUGHS + HEAD, "policy.anchor", "write the value out where it stands"),
    "merge-keys": (HEAD + "match: {<<: {names: [x]}}\n", "policy.key", "not a string"),
    "deep-flow": (HEAD + "description: " + ("[" * 4000 + "\n  ") * 200, "policy.depth", "deeper than 32 levels"),
    "deep-block": (each(1400, lambda n: f"{' ' * n}a:"), "policy.depth", "deeper than 32 levels"),
    "deep-lists": ("- " * 2000 + "a\n", "policy.depth", "deeper than 32 levels"),
    "twice": (HEAD + OPERATORS, "policy.duplicate", "stands twice, first on line 5"),
    "unknown-fields": (HEAD + each(9000, lambda n: f"k{n}: 1"), "policy.unknown", "is not a field of a policy"),
    "long-unknown-field": (HEAD + f"? {'a' * 4000}\n", "policy.unknown", "(4000 characters) is not a field"),
    "groups": (
        START
        + OPERATORS
        + "signers:\n"
        + each(3000, lambda n: f"  - {{name: g{n}, require: 1, any: [{{key: k{n}.pub}}]}}")[:400_000]
        + "\n",
        "policy.nodes",
        "more than 20000 values",
    ),
    "signers": (
        START
        + OPERATORS
        + "signers:\n  - name: g\n    require: 1\n    any:\n"
        + each(10_000, lambda n: f"      - key: k{n}.pub"),
        "policy.nodes",
        "more than 20000 values",
    ),
    "fewer-signers": (
        START + OPERATORS + "signers:\n  - name: g\n    require: 1\n    any:\n" + each(6000, lambda n: f"      - key: k{n}.pub"),
        "policy.length",
        "has 6000 elements, allowed are 1 to 256",
    ),
    "revoked": (HEAD + "revoked:\n" + each(100_000, revocation), "file.size", "allowed are 1048576"),
    "fewer-revoked": (HEAD + "revoked:\n" + each(3000, revocation), "policy.length", "allowed are 0 to 2000"),
    "unsigned-files": (HEAD + "unsigned_files:\n" + each(15_000, lambda n: f"  - f{n}"), "policy.length", "allowed are 0 to 256"),
    "match": (HEAD + "match:\n  names:\n" + each(15_000, lambda n: f"    - f{n}"), "policy.length", "allowed are 1 to 256"),
    "exceptions": (HEAD + "exceptions:\n" + each(100_000, exception), "file.size", "allowed are 1048576"),
    "fewer-exceptions": (HEAD + "exceptions:\n" + each(1000, exception), "policy.length", "allowed are 0 to 256"),
    "rules": (HEAD + "rules:\n" + each(100_000, lambda n: rule("false", n)), "file.size", "allowed are 1048576"),
    "fewer-rules": (HEAD + "rules:\n" + each(1000, lambda n: rule("false", n)), "policy.length", "allowed are 0 to 64"),
    "deep-rule": (HEAD + "rules:\n" + rule("(" * 400 + "true" + ")" * 400), "policy.rules", "recursion"),
    "wide-rule": (HEAD + "rules:\n" + rule("+".join(["manifest.name"] * 70) + "==''"), "policy.rules", "recursion"),
    "looping-rule": (
        HEAD + "rules:\n" + rule("manifest.files.all(a, manifest.files.all(b, a + b != ''))"),
        "policy.rules",
        "ask with in:",
    ),
    "rule-with-foreign-expression": (
        HEAD + "rules:\n" + rule("manifest.description.matches(manifest.description)"),
        "policy.rules",
        "write it as manifest.name.matches",
    ),
    "large-expression": (
        START
        + OPERATORS
        + "signers: [{name: r, require: 1, any: [{keyless: {issuer: {regex: '((a{1,30}){1,30}){1,30}'}, subject: a@b.c}}]}]\n",
        "policy.signers.issuer",
        "repetition",
    ),
    "back-reference": (
        START
        + OPERATORS
        + "signers: [{name: r, require: 1, any: [{keyless: {issuer: {regex: '(a+)+\\1$'}, subject: a@b.c}}]}]\n",
        "policy.signers.issuer",
        "back references",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key where the policies look for it."""
    made = tmp_path_factory.mktemp("hostile")
    (made / "keys").mkdir()
    (made / "keys" / "release.pub").write_bytes(make_key().public)
    return made


def is_bounded(run: Run, *, peak: int = SMALL, seconds: float = SECONDS) -> None:
    assert run.peak_bytes < peak, f"{run.peak_bytes // MIB} MiB"
    assert run.processor_seconds < seconds
    assert "Traceback" not in run.text


@pytest.fixture(scope="module")
def checked(folder: Path) -> dict[str, Run]:
    """What ``mlsign policy check`` makes of each."""
    for name, (text, _, _) in POLICIES.items():
        (folder / f"{name}.yaml").write_text(text)
    return run_each(folder, {name: ["policy", "check", str(folder / f"{name}.yaml")] for name in POLICIES})


@pytest.mark.parametrize("name", POLICIES)
def test_a_hostile_policy_is_refused_by_name(name: str, checked: dict[str, Run]) -> None:
    _, code, words = POLICIES[name]
    run = checked[name]
    assert run.code == 3
    assert f"[{code}]" in run.text
    assert words in run.text
    assert len(run.text) < 25_000
    is_bounded(run)


def test_a_folder_of_ten_thousand_policies_is_refused_and_not_read(folder: Path) -> None:
    many = folder / "many"
    many.mkdir()
    for number in range(10_000):
        (many / f"p{number}.yaml").write_text("no policy")
    run = run_mlsign(folder, "verify", folder, "--policy", many)
    assert run.code == 3
    assert "more than 64 policies were given, allowed are 1 to 64" in run.text
    is_bounded(run)


@pytest.mark.parametrize(
    ("parents", "revoked", "code", "words"),
    [
        (4, 390, 0, "A package is allowed when"),
        (4, 1000, 3, "revoked: has 3000 elements, allowed are 0 to 2000"),
        (5, 10, 3, "chain of more than 4 parents"),
    ],
)
def test_a_chain_of_large_policies(folder: Path, parents: int, revoked: int, code: int, words: str) -> None:
    for number in range(parents + 1):
        above = f"extends: chain-{number + 1}.yaml\n" if number < parents else SIGNERS + OPERATORS
        padding = f"# {'x' * 4000}\n" * 200
        reasons = each(revoked, lambda n, part=number: revocation(part * 10_000 + n, "r" * 100))
        (folder / f"chain-{number}.yaml").write_text(f"{START}{above}revoked:\n{reasons}{padding}")
    run = run_mlsign(folder, "policy", "explain", folder / "chain-0.yaml")
    assert run.code == code, run.text[-500:]
    assert words in run.text
    is_bounded(run)


def test_a_policy_that_extends_itself_is_refused(folder: Path) -> None:
    (folder / "one.yaml").write_text(START + "extends: other.yaml\n")
    (folder / "other.yaml").write_text(START + "extends: one.yaml\n")
    run = run_mlsign(folder, "policy", "explain", folder / "one.yaml")
    assert run.code == 3
    assert "it would extend itself" in run.text
    is_bounded(run)


CASES = {
    "large": ("- {name: a, evidence: e.json, expect: deny}\n" * 1_500_000, "allowed are 1048576"),
    "many": (
        each(1001, lambda n: f"- {{name: a{n}, evidence: e.json, expect: deny}}"),
        "has 1001 elements, allowed are 1 to 1000",
    ),
    "aliases": (LAUGHS, "write the value out where it stands"),
}


@pytest.mark.parametrize("name", CASES)
def test_hostile_cases_are_refused(name: str, folder: Path) -> None:
    text, words = CASES[name]
    (folder / "policy.yaml").write_text(HEAD)
    (folder / f"cases-{name}.yaml").write_text(text)
    run = run_mlsign(folder, "policy", "test", folder / "policy.yaml", folder / f"cases-{name}.yaml")
    assert run.code == 3
    assert words in run.text
    is_bounded(run)


RECORDS = {
    "too-large": (b" " * (64 * MIB + 1), "allowed are 67108864", SMALL),
    "numbers": (b"[" + b"0," * 33_000_000 + b"0]", "allowed are 2000000", 2 * SMALL),
    "lists": (b"[" + b"[]," * 3_900_000 + b"[]]", "allowed are 2000000", 2 * SMALL),
    "fields": (b"{" + b",".join(b'"%d":0' % n for n in range(1_900_000)) + b"}", "is not a field of this format", 1024 * MIB),
    "objects": (b"[" + b'{"a":{}},' * 600_000 + b"{}]", "expected an object", 1024 * MIB),
    "text": (b'"' + b"a" * 63_000_000 + b'"', "expected an object", 768 * MIB),
    "digits": (b"1" * 63_000_000, "too many digits", 768 * MIB),
    "deep": (b"[" * 1_000_000, "deeper than 64 levels", SMALL),
}


@pytest.mark.parametrize("name", RECORDS)
def test_hostile_records_are_refused(name: str, folder: Path) -> None:
    data, words, peak = RECORDS[name]
    (folder / "policy.yaml").write_text(HEAD)
    (folder / "record.json").write_bytes(data)
    (folder / "one-case.yaml").write_text("- {name: a, evidence: record.json, expect: deny}\n")
    run = run_mlsign(folder, "policy", "test", folder / "policy.yaml", folder / "one-case.yaml")
    assert run.code == 3
    assert words in run.text
    assert len(run.text) < 2000
    is_bounded(run, peak=peak)


FULL = (
    "match: {names: ['fraud', 'fraud-*']}\n"
    "rules:\n"
    + each(62, lambda n: rule(f"manifest.name.matches('^x{n}(a+)+$') || model.nodes > {1000 + n}", n))
    + rule(f"{sum_of('manifest.description', 5)}.contains('zz')", 62)
    + "\nexceptions:\n"
    + each(256, exception)
    + "revoked:\n"
    + each(1500, revocation)
)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a policy that asks for much, and the record of a package of 100,000 files."""
    made = tmp_path_factory.mktemp("crowded")
    pair = make_key()
    package = make_package(made, signers=[pair], description="d" * 60_000)
    write_policy(made, {"release": (1, [pair.public])}, rest=FULL)
    run = run_mlsign(made, "verify", package, "--policy", made / "policy.yaml", "--record", made / "record.json")
    assert run.code == 0, run.text
    record = json.loads((made / "record.json").read_bytes())
    manifest = record["evidence"]["manifest"]
    sample = next(entry for entry in manifest["files"] if entry["role"] == "document")
    more = [sample | {"path": f"docs/{n:05}.md", "digest": f"sha256:{n:064x}"} for n in range(100_000, 200_000)]
    manifest["files"] = sorted([*manifest["files"], *more], key=lambda entry: entry["path"].encode("utf-16-be"))
    record["evidence"]["digests"] = sorted({*record["evidence"]["digests"], *(entry["digest"] for entry in more)})
    (made / "record.json").write_bytes(canonical(record))
    return made


def judged(folder: Path, expect: str) -> Run:
    (folder / "cases.yaml").write_text(f"- {{name: a, evidence: record.json, expect: {expect}}}\n")
    return run_mlsign(folder, "policy", "test", folder / "policy.yaml", folder / "cases.yaml")


@pytest.mark.slow
def test_a_package_of_a_hundred_thousand_files_is_judged_by_everything(crowded: Path) -> None:
    run = judged(crowded, "allow")
    assert run.code == 0, run.text[-800:]
    is_bounded(run, peak=1024 * MIB, seconds=120)


@pytest.mark.slow
def test_a_list_that_is_too_long_for_a_rule_is_unknown_and_denies(crowded: Path) -> None:
    policy = crowded / "policy.yaml"
    before = policy.read_text()
    policy.write_text(before.replace("rules:\n", "rules:\n" + rule("'docs/secret.md' in manifest.files", 63) + "\n"))
    run = judged(crowded, "allow")
    policy.write_text(before)
    assert run.code == 1
    assert "expected allow, decided deny: MLS420" in run.text
    assert "manifest.files" in run.text
    assert len(run.text) < 5000
    is_bounded(run, peak=1024 * MIB, seconds=120)


def test_more_policies_than_there_can_be_are_not_counted() -> None:
    from mlsign.actions.policies.load_policies import load_policies

    with pytest.raises(InputError) as caught:
        load_policies([])
    assert "0 policies were given" in caught.value.message
