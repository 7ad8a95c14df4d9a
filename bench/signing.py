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
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from borrowed import make_key, make_package, write_policy
from contenders import Call, duration, in_rounds
from goals import Goal
from page import heading, progress, row

ALICE = "alice@acme.example"
ROUNDS = 300
QUICK_ROUNDS = 30
WARM_UP = 3
GOAL_BY_KEY, GOAL_KEYLESS = Goal(limit=1e-3, words="under 1 ms"), Goal(limit=2.5e-3, words="under 2.5 ms")


def print_signing(*, quick: bool) -> None:
    """A table for each way of signing, of medians on the clock and of the processor."""
    with tempfile.TemporaryDirectory(prefix="bench-signing-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the peers' own
        for what, again, peers, goal in contenders(Path(folder)):
            ours = replace(again, name="mlsign, a new package", before=forget)
            others = [again, *peers]
            rounds = QUICK_ROUNDS if quick else ROUNDS
            progress(f"verifying a small package signed {what}, {rounds} rounds")
            samples = in_rounds([ours, *others], rounds=rounds, warm_up=WARM_UP)
            mine = samples[ours.name]
            heading(f"verify a small package signed {what}", "takes", "of the processor", "a new package beside it", "goal")
            row(ours.name, duration(mine.clock), duration(mine.processor), "", "")
            for other in others:
                theirs = samples[other.name]
                words = f"{mine.over(theirs):.2f} times as long"
                row(
                    other.name,
                    duration(theirs.clock),
                    duration(theirs.processor),
                    words,
                    goal.judged(theirs.clock) if other is again else "",
                )


def contenders(folder: Path) -> Iterator[tuple[str, Call, list[Call], Goal]]:
    """By key, and keyless on either version of the log; the goal is that of a package that was verified before."""
    from local_sigstore import LocalSigstore

    pair = make_key()
    package = make_package(folder / "key", signers=(pair,))
    yield "by key", gate_by_key(folder, package, pair.public), beside_key(folder, package, pair.public), GOAL_BY_KEY
    signed: dict[int, Path] = {}
    bare = make_package(folder / "bare")
    with LocalSigstore() as sigstore:
        config, issuer = sigstore.trust_config(), sigstore.issuer
        for rekor in (1, 2):
            signed[rekor] = sign_keyless(Path(shutil.copytree(bare, folder / f"v{rekor}" / bare.name)), sigstore, rekor=rekor)
    # Nobody is asked while the clock runs.
    for rekor, package in signed.items():
        ours = gate_keyless(folder / f"v{rekor}", package, config, issuer)
        yield f"keyless, log v{rekor}", ours, beside_keyless(folder / f"v{rekor}", package, config, issuer), GOAL_KEYLESS


def gate_by_key(folder: Path, package: Path, public: bytes) -> Call:
    return gate(write_policy(folder, {"release": (1, [public])}), package)


def gate_keyless(folder: Path, package: Path, config: dict[str, Any], issuer: str) -> Call:
    (folder / "root.json").write_text(json.dumps(config["trustedRoot"]))
    pattern = issuer.replace(".", "[.]")
    (folder / "policy.yaml").write_text(
        "apiVersion: mlsign/v1\nkind: Policy\nname: keyless\n"
        f"signers: [{{name: release, require: 1, any: [{{keyless: {{issuer: {{regex: '{pattern}'}}, subject: {ALICE}}}}}]}}]\n"
        "operators: {allow: [inference-v1]}\ntransparency: {log: required}\ntrust: {root: root.json}\n"
    )
    return gate(folder / "policy.yaml", package)


def gate(policy: Path, package: Path) -> Call:
    from mlsign import Gate, Verdict

    loaded = Gate.load(policy)

    def verify() -> None:
        report = loaded.verify(package)
        assert report.decision.verdict is Verdict.ALLOW, report.decision

    return Call(name="mlsign, the same package again", call=verify)


def forget() -> None:
    """Drops what is kept from one signature to the next, anchors and stores of a trust root aside."""
    from mlsign.actions import _model
    from mlsign.trust import certificates, keyless, timestamps

    kept = (certificates.load_certificate, certificates._chain, keyless.holder_key, timestamps._time_of)  # noqa: SLF001
    for each in (*kept, _model._facts_of, _model._manifest_of):  # noqa: SLF001
        each.cache_clear()


def sign_keyless(package: Path, sigstore: Any, *, rekor: int) -> Path:
    from mlsign.actions.signing.load_keyless import KeylessRequest, Login, load_keyless
    from mlsign.actions.signing.sign import sign

    config = package.parent / "config.json"
    config.write_text(json.dumps(sigstore.trust_config(rekor=rekor)))
    sign(package, load_keyless(KeylessRequest(token=sigstore.oidc.email_token(ALICE), config=config, login=Login.NEVER)))
    return package


def bundle_in(package: Path) -> Path:
    (found,) = (package / "signatures").iterdir()
    return found


def beside_key(folder: Path, package: Path, public: bytes) -> list[Call]:
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
        Call(name="one ECDSA verification and sha256 of the files", call=floor),
        Call(name="model_signing", call=lambda: config.verify(package, bundle_in(package))),
    ]


def beside_keyless(folder: Path, package: Path, config: dict[str, Any], issuer: str) -> list[Call]:
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
        Call(
            name="sigstore-python, verify_dsse alone",
            call=lambda: verifier.verify_dsse(Bundle.from_json(bundle_in(package).read_bytes()), policy),
        ),
        Call(name="model_signing", call=lambda: peer.verify(package, bundle_in(package))),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rounds: to see that it works")
    print_signing(quick=parser.parse_args().quick)
