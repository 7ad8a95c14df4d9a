"""What policies cost in a process that already runs: deciding over evidence that is there, loading, checking, and signatures of policies.

Nothing is compared with a peer, because none has such policies. Everything is done before the measuring begins: libraries are
loaded, and the evidence is that of one small package, which the policies allow. In each round everything is done once, one
after the other, short things many times; medians are printed, of the clock and of the processor.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from borrowed import make_key, make_package
from contenders import ROOT, Call, duration, in_rounds
from page import heading, progress, row

ROUNDS = 100
QUICK_ROUNDS = 5
WARM_UP = 3
KEYS = ("release", "reviewer-1", "reviewer-2", "reviewer-3")
FULL = """
match: {names: [fraud, "fraud-*"]}
formats: [oms-1.0]
unsigned_files: [notes.txt]
expires: 2100-01-01T00:00:00Z
revision: 7
vsa: {accept: [{key: keys/reviewer-3.pub}], max_age: 1d}
provenance:
  required: true
  claimed:
    builders: ["https://example.com/builders/1"]
    sources: [{pattern: "https://example.com/acme/*"}]
    commit: required
    time: required
    training_data: digests
golden: {required: true, replay: true}
transparency: {log: optional, timestamp: optional}
exceptions:
  - {digest: "sha256:EEEE", findings: [MLS301, MLS302], reason: INC-4711, until: 2100-01-01T00:00:00Z}
""".replace("EEEE", "ee" * 32)


def print_policy(*, quick: bool) -> None:
    """One line for each thing that is done with a policy."""
    with tempfile.TemporaryDirectory(prefix="bench-policy-") as folder:
        calls = make_calls(Path(folder))
        rounds = QUICK_ROUNDS if quick else ROUNDS
        progress(f"deciding over policies and loading them, {rounds} rounds")
        samples = in_rounds(calls, rounds=rounds, warm_up=WARM_UP)
    heading("policies", "takes", "of the processor")
    for name, sample in samples.items():
        row(name, duration(sample.clock), duration(sample.processor))


def make_calls(folder: Path) -> list[Call]:
    """Everything that is measured, ready to run."""
    from mlsign.actions.policies.check_policy import check_policy
    from mlsign.actions.policies.load_policy import load_policy
    from mlsign.actions.policies.sign_policy import sign_policy
    from mlsign.actions.policies.verify_policy import PolicyTrust
    from mlsign.actions.verification.verify import VerifyRequest, verify
    from mlsign.evidence.record import ReplayedSet
    from mlsign.policy.decide import decide
    from mlsign.policy.model import Verdict

    pairs = {name: make_key() for name in KEYS}
    (folder / "keys").mkdir()
    for name, pair in pairs.items():
        (folder / "keys" / f"{name}.pub").write_bytes(pair.public)
    package = make_package(folder, signers=[pairs[name] for name in KEYS[:3]])
    strict = Path(shutil.copy(ROOT / "policies" / "strict.yaml", folder))
    text = strict.read_text()
    rules = "".join(
        f"  - {{id: r{n}, when: \"manifest.name == 'churn-{n}' || model.nodes > 1000\", message: m}}\n" for n in range(10)
    )
    revoked = "".join(f"  - {{digest: 'sha256:{n:064x}', reason: r}}\n" for n in range(100))
    with_rules = folder / "rules.yaml"
    with_rules.write_text(f"{text}rules:\n{rules}")
    full = folder / "full.yaml"
    full.write_text(text.replace("revoked: []", f"revoked:\n{revoked}") + FULL + f"rules:\n{rules}")
    now = datetime.now(UTC)

    def decision(path: Path) -> Callable[[], object]:
        loaded = load_policy(path)
        plain = replace(loaded, policy=replace(loaded.policy, golden=replace(loaded.policy.golden, replay=False)))
        evidence = verify(package, VerifyRequest(policy=plain, now=now)).evidence
        assert evidence.manifest is not None
        answers = tuple(ReplayedSet(path=str(found.path), compared=6) for found in evidence.manifest.golden)
        known = replace(evidence, replay=answers)

        def run() -> None:
            found = decide(loaded.policy, known, now=now)
            assert found.verdict is Verdict.ALLOW, found

        return run

    def signed() -> None:
        trust = PolicyTrust(keys=(folder / "keys" / "release.pub",), state=folder / "state")
        load_policy(strict, signed=trust)

    sign_policy(strict, pairs["release"].signer)
    return [
        Call(name="decide, strict.yaml", call=decision(strict), times=100),
        Call(name="decide, strict.yaml and 10 rules in CEL", call=decision(with_rules), times=20),
        Call(
            name="decide, every field that fits a package signed by key, 10 rules in CEL, 100 revocations",
            call=decision(full),
            times=20,
        ),
        Call(name="load strict.yaml with its keys", call=lambda: load_policy(strict)),
        Call(name="load strict.yaml with its keys and verify its signature", call=signed),
        Call(name="load the policy with every field", call=lambda: load_policy(full)),
        Call(name="check strict.yaml", call=lambda: check_policy(strict)),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few rounds: to see that it works")
    print_policy(quick=parser.parse_args().quick)
