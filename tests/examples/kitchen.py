"""What the recipes of the cookbook are tried in: a folder with the keys, packages, certificates and services that they name.

The time is NOW for whoever signs and whoever verifies, so that what the page says of days holds on every day.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from certificate_authority import Organisation, make_organisation, revoke
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from fake_oidc import FORGE, workflow_claims
from keyless_material import issue_identity, sign_keyless
from local_sigstore import LocalSigstore
from making import Pair, canonical, make_key, statement_over
from onnx import helper, numpy_helper

from mlsign.actions.golden.replay import ReplayRequest, replay
from mlsign.actions.packing.pack import PackRequest, pack
from mlsign.actions.policies.load_policies import load_policies
from mlsign.actions.releases.list_releases import LogRequest, ReleaseLog, list_releases
from mlsign.actions.signing.countersign import countersign
from mlsign.actions.signing.sign import sign
from mlsign.actions.trust.trust_import import ImportFileRequest, import_trust_file
from mlsign.actions.verification.verify import Report, VerifyRequest, verify
from mlsign.digest import sha256
from mlsign.formats.bundle import Bundle, encode_bundle
from mlsign.signers.key_types import KeyType

ROOT = Path(__file__).resolve().parents[2]
IRIS = ROOT / "examples" / "iris" / "model.onnx"
REFUSED = ROOT / "examples" / "iris" / "refused.onnx"
PAGE = ROOT / "docs" / "cookbook.md"
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
"""A Tuesday, before every end that a recipe names."""
ISSUER = "https://token.actions.githubusercontent.com"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A section of the page: its policies by file name, and the command with what it prints."""

    title: str
    policies: dict[str, str]
    command: str
    printed: list[str]


def read_recipes(page: str) -> dict[str, Recipe]:
    """The sections of a page by their titles; each has policies and one command, and nothing else in blocks."""
    found = {}
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        blocks = _BLOCK.findall(section)
        policies = {re.match(r"# (\S+\.yaml)\n", text)[1]: text for language, text in blocks if language == "yaml"}
        (shown,) = [text for language, text in blocks if language == "console"]
        assert len(blocks) == len(policies) + 1, title
        first, *printed = shown.rstrip("\n").split("\n")
        found[title] = Recipe(title=title, policies=policies, command=first.removeprefix("$ "), printed=printed)
    return found


@dataclass(kw_only=True)
class Kitchen:
    folder: Path
    sigstore: LocalSigstore
    keys: dict[str, Pair] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def lay_out(self, recipe: Recipe) -> Path:
        """The files of a recipe, with a key under every name that it asks for. Returns what ``--policy`` is given."""
        for name, text in recipe.policies.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            for key in re.findall(r"keys/([\w-]+)\.pub", text):
                self.key(key)
        return self.folder / recipe.command.split()[-1]

    def key(self, name: str) -> Pair:
        if name not in self.keys:
            self.keys[name] = make_key(KeyType.ML_DSA_65 if name.endswith("-pq") else KeyType.P256)
            (self.folder / "keys").mkdir(exist_ok=True)
            (self.folder / "keys" / f"{name}.pub").write_bytes(self.keys[name].public)
        return self.keys[name]

    def package(self, release: str, *signers: str, folder: str = "", model: Path = IRIS, **more: Any) -> Path:
        """``release`` as NAME-VERSION, in a folder of that name unless another is given, signed by keys with these names."""
        name, version = re.fullmatch(r"([a-z-]+)-([0-9].*)", release).groups()
        request = PackRequest(model=model, output=self.folder / (folder or release), name=name, version=version, **more)
        package = pack(request).path
        for signer in signers:
            sign(package, self.key(signer).signer, now=NOW)
        return package

    def countersign(self, package: Path, name: str) -> None:
        (bundle,) = (package / "signatures").iterdir()
        countersign(package, self.key(name).signer, bundle=bundle.name, now=NOW)

    def replay(self, package: Path, name: str, *, platform: str) -> None:
        """A golden run that was made here, signed as one on a machine of this platform: few kitchens have every kind."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mlsign.actions.golden.replay.platform_name", lambda: platform)
            assert replay(package, ReplayRequest(now=NOW), signer=self.key(name).signer).passed

    def put(self, package: Path, bundle: Bundle) -> None:
        data = encode_bundle(bundle)
        (package / "signatures").mkdir(exist_ok=True)
        (package / "signatures" / f"sha256-{hashlib.sha256(data).hexdigest()}.sigstore.json").write_bytes(data)

    def sign_as_workflow(self, package: Path, **claims: Any) -> None:
        """As a run of a workflow does; its claims are those of a pushed tag unless others are given."""
        token = workflow_claims(**({"event_name": "push"} | claims))
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.UniformResourceIdentifier(f"{FORGE}/{token['job_workflow_ref']}")
        certificate = issue_identity(self.sigstore, key, name=name, claims=token)
        payload = canonical(statement_over(package))
        self.put(package, sign_keyless(self.sigstore, payload=payload, key=key, certificate=certificate))

    def trust_sigstore(self) -> None:
        """The local services are in the place of the public ones, as if ``mlsign trust`` had imported them."""
        file = self.folder / "carried.json"
        file.write_text(json.dumps(self.sigstore.trusted_root()))
        import_trust_file(file, ImportFileRequest(digest=sha256(file.read_bytes()), state=self.state), now=NOW)

    def carry_in(self) -> Organisation:
        """The files of a plant: the root of an authority, its revocation lists, and a trust root."""
        organisation = make_organisation()
        (self.folder / "pki").mkdir(exist_ok=True)
        (self.folder / "pki" / "root.pem").write_bytes(organisation.root.pem)
        for name, authority in (("root", organisation.root), ("models", organisation.middle)):
            fresh = revoke(authority, start=NOW - timedelta(days=1), end=NOW + timedelta(days=6))
            (self.folder / "pki" / f"{name}.crl").write_bytes(fresh.public_bytes(Encoding.PEM))
        (self.folder / "trusted_root.json").write_text(json.dumps(self.sigstore.trusted_root()))
        return organisation

    def sign_stamped(self, package: Path, by: Callable[[bytes], Bundle], stamped: datetime | None) -> None:
        """A signature over the package, with a timestamp of that time if there is one."""
        bundle = by(canonical(statement_over(package)))
        if stamped is not None:
            with self.clock(stamped):
                stamp = self.sigstore.timestamps.stamp_message(bundle.envelope.signature)
            bundle = replace(bundle, material=replace(bundle.material, timestamps=(stamp,)))
        self.put(package, bundle)

    @contextmanager
    def clock(self, moment: datetime) -> Iterator[None]:
        self.sigstore.set_clock(lambda: moment)
        try:
            yield
        finally:
            self.sigstore.set_clock(lambda: NOW)

    def verify(self, package: Path, policy: Path, *, now: datetime = NOW) -> Report:
        first, *others = load_policies([policy])
        return verify(package, VerifyRequest(policy=first, others=tuple(others), now=now, state=self.state))

    def log(self, folder: Path, policy: Path) -> ReleaseLog:
        return list_releases(folder, LogRequest(policies=load_policies([policy]), now=NOW))


def write_custom(path: Path) -> Path:
    """The iris model with an operator of a plug-in before its last output."""
    model = onnx.load(IRIS)
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = ["before" if name == "probabilities" else name for name in names]
    model.graph.node.append(helper.make_node("Boost", ["before"], ["probabilities"], domain="com.acme"))
    model.opset_import.append(helper.make_opsetid("com.acme", 1))
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path


def write_retrained(path: Path) -> Path:
    """The iris model with weights that are one part in a hundred larger."""
    model = onnx.load(IRIS)
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1.01), tensor.name))
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path
