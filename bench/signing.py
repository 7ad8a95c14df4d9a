"""What it takes to verify one small package in a process that already runs, beside the least that it could take and the peers.

Everything is done once before the measuring begins: libraries are loaded, policies and trust roots are read. In each round every
contender verifies the same package once, one after the other; what mlsign keeps of certificates, timestamps, manifests and models is
forgotten before each round, as if the package were a new one, and kept for the one that sees the same package again. Medians are compared, of the time on the clock and of that of the processor, which depends
less on what else the machine does.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [
    str(ROOT / "tests"),
    str(ROOT / "tests" / "fakes"),
]  # packages and a Sigstore to sign them, as the tests have them

ALICE = "alice@acme.example"
ROUNDS = 300
QUICK_ROUNDS = 30
WARM_UP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """What is called in every round; it raises where the package does not hold."""

    name: str
    verify: Callable[[], object]
    before: Callable[[], None] = lambda: None


@dataclass(slots=True)
class Times:
    """Seconds of each round."""

    clock: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def add(self, contender: Contender) -> None:
        contender.before()
        clock, processor = time.perf_counter(), time.process_time()
        contender.verify()
        self.processor.append(time.process_time() - processor)
        self.clock.append(time.perf_counter() - clock)

    @property
    def medians(self) -> tuple[float, float]:
        return statistics.median(self.clock) * 1e3, statistics.median(self.processor) * 1e3


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rounds: to see that it works")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    print_table(rounds=QUICK_ROUNDS if options.quick else options.rounds)


def print_table(*, rounds: int = ROUNDS) -> None:
    """One line for each way of signing and each contender beside mlsign; ``clock / processor`` in milliseconds."""
    print("\n| verify a small package signed | mlsign | beside it | takes | ratio |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="bench-signing-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the peers' own
        for what, again, peers in contenders(Path(folder)):
            ours = replace(again, name="mlsign, a new package", before=forget)
            others = [replace(again, name="mlsign, the same package again"), *peers]
            times = {contender.name: Times() for contender in (ours, *others)}
            for number in range(rounds + WARM_UP):
                for contender in (ours, *others):
                    (times if number >= WARM_UP else {contender.name: Times()})[contender.name].add(contender)
            mine = times[ours.name].medians
            for other in others:
                theirs = times[other.name].medians
                ratios = " / ".join(f"{a / b:.2f}" for a, b in zip(mine, theirs, strict=True))
                print(f"| {what} | {spelled(mine)} | {other.name} | {spelled(theirs)} | {ratios} |", flush=True)


def spelled(medians: tuple[float, float]) -> str:
    return " / ".join(f"{value:.2f}" for value in medians) + " ms"


def contenders(folder: Path) -> Iterator[tuple[str, Contender, list[Contender]]]:
    """By key, and keyless on either version of the log."""
    from local_sigstore import LocalSigstore
    from making import make_key, make_package

    pair = make_key()
    package = make_package(folder / "key", signers=(pair,))
    yield "by key", gate_by_key(folder, package, pair.public), beside_key(folder, package, pair.public)
    signed: dict[int, Path] = {}
    bare = make_package(folder / "bare")
    with LocalSigstore() as sigstore:
        config, issuer = sigstore.trust_config(), sigstore.issuer
        for rekor in (1, 2):
            signed[rekor] = sign_keyless(Path(shutil.copytree(bare, folder / f"v{rekor}" / bare.name)), sigstore, rekor=rekor)
    # Nobody is asked while the clock runs.
    for rekor, package in signed.items():
        ours = gate_keyless(folder / f"v{rekor}", package, config, issuer)
        yield f"keyless, log v{rekor}", ours, beside_keyless(folder / f"v{rekor}", package, config, issuer)


def gate_by_key(folder: Path, package: Path, public: bytes) -> Contender:
    from making import write_policy

    return gate(write_policy(folder, {"release": (1, [public])}), package)


def gate_keyless(folder: Path, package: Path, config: dict[str, Any], issuer: str) -> Contender:
    (folder / "root.json").write_text(json.dumps(config["trustedRoot"]))
    pattern = issuer.replace(".", "[.]")
    (folder / "policy.yaml").write_text(
        "apiVersion: mlsign/v1\nkind: Policy\nname: keyless\n"
        f"signers: [{{name: release, require: 1, any: [{{keyless: {{issuer: {{regex: '{pattern}'}}, subject: {ALICE}}}}}]}}]\n"
        "operators: {allow: [inference-v1]}\ntransparency: {log: required}\ntrust: {root: root.json}\n"
    )
    return gate(folder / "policy.yaml", package)


def gate(policy: Path, package: Path) -> Contender:
    from mlsign import Gate, Verdict

    loaded = Gate.load(policy)

    def verify() -> None:
        report = loaded.verify(package)
        assert report.decision.verdict is Verdict.ALLOW, report.decision

    return Contender(name="mlsign", verify=verify)


def forget() -> None:
    """Drops what is kept from one signature to the next, anchors and stores of a trust root aside."""
    from mlsign.actions import _model
    from mlsign.trust import certificates, keyless, timestamps

    kept = (certificates.load_certificate, certificates._chain, keyless.holder_key, timestamps._time_of)  # noqa: SLF001
    for each in (*kept, _model._facts_of, _model._manifest_of):  # noqa: SLF001
        each.cache_clear()


def sign_keyless(package: Path, sigstore: Any, *, rekor: int) -> Path:
    from mlsign.actions.load_keyless import KeylessRequest, Login, load_keyless
    from mlsign.actions.sign import sign

    config = package.parent / "config.json"
    config.write_text(json.dumps(sigstore.trust_config(rekor=rekor)))
    sign(package, load_keyless(KeylessRequest(token=sigstore.oidc.email_token(ALICE), config=config, login=Login.NEVER)))
    return package


def bundle_in(package: Path) -> Path:
    (found,) = (package / "signatures").iterdir()
    return found


def beside_key(folder: Path, package: Path, public: bytes) -> list[Contender]:
    """The floor: the signature checked and the files read and hashed, by hand, and nothing decided; and the peer."""
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from model_signing import verifying

    key = load_pem_public_key(public)
    assert isinstance(key, EllipticCurvePublicKey)
    envelope = json.loads(bundle_in(package).read_bytes())["dsseEnvelope"]
    payload, signature = base64.b64decode(envelope["payload"]), base64.b64decode(envelope["signatures"][0]["sig"])
    message = b"DSSEv1 %d %s %d %s" % (len(envelope["payloadType"]), envelope["payloadType"].encode(), len(payload), payload)
    expected = {str(package / r["name"]): r["digest"] for r in json.loads(payload)["predicate"]["resources"]}

    def floor() -> None:
        key.verify(signature, message, ECDSA(SHA256()))
        for path, digest in expected.items():
            with open(path, "rb") as file:
                assert hashlib.sha256(file.read()).hexdigest() == digest

    (folder / "key.pub").write_bytes(public)
    config = verifying.Config().use_elliptic_key_verifier(public_key=folder / "key.pub")
    return [
        Contender(name="one ECDSA verification and sha256 of the files", verify=floor),
        Contender(name="model_signing", verify=lambda: config.verify(package, bundle_in(package))),
    ]


def beside_keyless(folder: Path, package: Path, config: dict[str, Any], issuer: str) -> list[Contender]:
    """The floor: the Python client of Sigstore on the bundle, without the files; and the peer, which is that and the files."""
    from model_signing import verifying
    from sigstore.models import Bundle, ClientTrustConfig
    from sigstore.verify import Verifier
    from sigstore.verify.policy import Identity

    (folder / "trust.json").write_text(json.dumps(config))
    verifier = Verifier(trusted_root=ClientTrustConfig.from_json(json.dumps(config)).trusted_root)
    policy = Identity(identity=ALICE, issuer=issuer)
    peer = verifying.Config().use_sigstore_verifier(identity=ALICE, oidc_issuer=issuer, trust_config=folder / "trust.json")
    return [
        Contender(
            name="sigstore-python, verify_dsse alone",
            verify=lambda: verifier.verify_dsse(Bundle.from_json(bundle_in(package).read_bytes()), policy),
        ),
        Contender(name="model_signing", verify=lambda: peer.verify(package, bundle_in(package))),
    ]


if __name__ == "__main__":
    main()
