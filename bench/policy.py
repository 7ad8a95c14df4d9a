"""What policies cost in a process that already runs: deciding over evidence that is there, loading, checking, and signatures of policies.

Nothing is compared with a peer, because none has such policies. Everything is done before the measuring begins: libraries are
loaded, and the evidence is that of one small package, which the policies allow. In each round everything is done once, one
after the other, short things many times; medians are printed, of the clock and of the processor.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests")]  # a package and keys, as the tests have them

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


@dataclass(slots=True)
class Task:
    """One thing that is measured, done ``times`` times in each round."""

    name: str
    run: Callable[[], object]
    times: int = 1
    clock: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def measure(self, *, count: bool) -> None:
        clock, processor = time.perf_counter(), time.process_time()
        for _ in range(self.times):
            self.run()
        took = time.process_time() - processor, time.perf_counter() - clock
        if count:
            self.processor.append(took[0] / self.times)
            self.clock.append(took[1] / self.times)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few rounds: to see that it works")
    options = parser.parse_args()
    print_policy_table(rounds=QUICK_ROUNDS if options.quick else ROUNDS)


def print_policy_table(*, rounds: int = ROUNDS) -> None:
    """One line for each thing that is done with a policy; ``clock / processor``."""
    print("\n| policies | takes |\n|---|---|")
    with tempfile.TemporaryDirectory(prefix="bench-policy-") as folder:
        tasks = make_tasks(Path(folder))
        for number in range(WARM_UP + rounds):
            for task in tasks:
                task.measure(count=number >= WARM_UP)
        for task in tasks:
            print(f"| {task.name} | {spelled(task.clock)} / {spelled(task.processor)} |", flush=True)


def spelled(seconds: list[float]) -> str:
    median = statistics.median(seconds)
    return f"{median * 1e6:.0f} us" if median < 1e-3 else f"{median * 1e3:.2f} ms"


def make_tasks(folder: Path) -> list[Task]:
    """Everything that is measured, ready to run."""
    from making import make_key, make_package

    from mlsign.actions.check_policy import check_policy
    from mlsign.actions.load_policy import load_policy
    from mlsign.actions.sign_policy import sign_policy
    from mlsign.actions.verify import VerifyRequest, verify
    from mlsign.actions.verify_policy import PolicyTrust
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
        Task("decide, strict.yaml", decision(strict), times=100),
        Task("decide, strict.yaml and 10 rules in CEL", decision(with_rules), times=20),
        Task("decide, every field that fits a package signed by key, 10 rules in CEL, 100 revocations", decision(full), times=20),
        Task("load strict.yaml with its keys", lambda: load_policy(strict)),
        Task("load strict.yaml with its keys and verify its signature", signed),
        Task("load the policy with every field", lambda: load_policy(full)),
        Task("check strict.yaml", lambda: check_policy(strict)),
    ]


if __name__ == "__main__":
    main()
