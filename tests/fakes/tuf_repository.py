"""A TUF repository on loopback that hands out trust roots, and can be made to misbehave as an attacker would make it.

The root and targets roles take two of three keys, as public instances do it; snapshot and timestamp share one.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Self

from fake_http import Breakage, LoopbackServer, RefusedError, Reply, Request
from fake_pki import Clock, wall_clock
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

TRUSTED_ROOT = "trusted_root.json"
SIGNING_CONFIG = "signing_config.v0.2.json"
LIFETIMES: Mapping[str, timedelta] = {
    "root": timedelta(days=365),
    "targets": timedelta(days=90),
    "snapshot": timedelta(days=7),
    "timestamp": timedelta(days=1),
}


class TufRepository:
    """Everything served is in ``files``, by path; ``bootstrap`` is the first root, which clients get by another way."""

    def __init__(self, *, now: Clock = wall_clock, port: int = 0):
        self.now = now
        self.server = LoopbackServer(port=port)
        self.server.route("tuf", "GET", "/", self._serve)
        self.url = self.server.url
        self.files: dict[str, bytes] = {}
        self.version = 0
        self.root_version = 0
        self._root_keys = _keys(3)
        self._online = CryptoSigner.generate_ecdsa()
        self._targets: dict[str, bytes] = {}
        self._history: dict[int, dict[str, bytes]] = {}
        self._write_root(signers=self._root_keys[:2])
        self.bootstrap = self.files["1.root.json"]

    def publish(
        self,
        targets: Mapping[str, bytes] | None = None,
        *,
        version: int | None = None,
        lifetimes: Mapping[str, timedelta] | None = None,
        delegate: str | None = None,
    ) -> int:
        """Serves ``targets``, or the ones there are, under the next version or the one given; gives back which it was.

        ``lifetimes`` by role say otherwise than ``LIFETIMES``; a negative one makes a role that has expired. ``delegate``
        names an empty role that clients have to look into for whatever is not among ``targets``.
        """
        self._targets = dict(self._targets if targets is None else targets)
        self.version = self.version + 1 if version is None else version
        lives = {**LIFETIMES, **(lifetimes or {})}
        listed = Targets(version=self.version, expires=self._expiry(lives["targets"]))
        for name, data in self._targets.items():
            listed.targets[name] = TargetFile.from_data(name, data, ["sha256"])
            self.files[f"targets/{hashlib.sha256(data).hexdigest()}.{name}"] = data
        snapshot = Snapshot(version=self.version, expires=self._expiry(lives["snapshot"]))
        snapshot.meta["targets.json"] = MetaFile(self.version)
        if delegate is not None:
            key = self._online.public_key
            role = DelegatedRole(delegate, [key.keyid], 1, terminating=False, paths=["*"])
            listed.delegations = Delegations(keys={key.keyid: key}, roles={delegate: role})
            snapshot.meta[f"{delegate}.json"] = MetaFile(1)
            empty = Targets(version=1, expires=self._expiry(lives["targets"]))
            self.files[f"1.{delegate}.json"] = _signed(empty, [self._online])
        timestamp = Timestamp(version=self.version, expires=self._expiry(lives["timestamp"]))
        timestamp.snapshot_meta = MetaFile(self.version)
        self.files[f"{self.version}.targets.json"] = _signed(listed, self._root_keys[1:])
        self.files[f"{self.version}.snapshot.json"] = _signed(snapshot, [self._online])
        self.files["timestamp.json"] = _signed(timestamp, [self._online])
        self._history[self.version] = dict(self.files)
        return self.version

    def publish_sigstore(self, trust_config: Mapping[str, Any], **options: Any) -> int:
        """Serves trust root and signing configuration of a local Sigstore's ``trust_config()``."""
        targets = {
            TRUSTED_ROOT: json.dumps(trust_config["trustedRoot"]).encode(),
            SIGNING_CONFIG: json.dumps(trust_config["signingConfig"]).encode(),
        }
        return self.publish(targets, **options)

    def rotate_root(self, *, vouched: bool = True, lifetime: timedelta = LIFETIMES["root"]) -> int:
        """New root keys, signed for by the old ones unless ``vouched`` is false; the rest is signed anew."""
        old, self._root_keys = self._root_keys, _keys(3)
        self._online = CryptoSigner.generate_ecdsa()
        self._write_root(signers=[*self._root_keys[:2], *(old[:2] if vouched else [])], lifetime=lifetime)
        if self.version:
            self.publish()
        return self.root_version

    # What an attacker may do who answers in place of the repository.

    def roll_back(self, version: int) -> None:
        """Serves an earlier version again, all of it but the roots."""
        roots = {path: data for path, data in self.files.items() if path.endswith(".root.json")}
        self.files = self._history[version] | roots

    def freeze(self, *, after: timedelta = timedelta(seconds=2)) -> datetime:
        """Publishes once more and then never again; gives back when a client that is kept from updates has to notice."""
        self.publish(lifetimes={"timestamp": after})
        return self._expiry(after)

    def break_signature(self, path: str) -> None:
        """Metadata at ``path`` keeps its content and loses its good signatures."""
        value = json.loads(self.files[path])
        for signature in value["signatures"]:
            text = signature["sig"]
            signature["sig"] = text[:-1] + ("0" if text[-1] != "0" else "1")
        self.files[path] = json.dumps(value).encode()

    def change_target(self, name: str, data: bytes) -> None:
        """Other bytes under the name of a target whose digest is signed."""
        self.files[f"targets/{hashlib.sha256(self._targets[name]).hexdigest()}.{name}"] = data

    def break_service(self, how: Breakage | str = Breakage.UNAVAILABLE, *, times: int | None = None) -> None:
        self.server.break_service("tuf", how, times=times)

    def repair_service(self) -> None:
        self.server.repair_service("tuf")

    @property
    def requests(self) -> int:
        return self.server.requests["tuf"]

    def close(self) -> None:
        self.server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _expiry(self, lifetime: timedelta) -> datetime:
        return self.now().replace(microsecond=0) + lifetime

    def _write_root(self, *, signers: Sequence[CryptoSigner], lifetime: timedelta = LIFETIMES["root"]) -> None:
        self.root_version += 1
        root = Root(version=self.root_version, expires=self._expiry(lifetime), consistent_snapshot=True)
        for role in ("root", "targets"):
            for signer in self._root_keys:
                root.add_key(signer.public_key, role)
            root.roles[role].threshold = 2
        for role in ("snapshot", "timestamp"):
            root.add_key(self._online.public_key, role)
        self.files[f"{self.root_version}.root.json"] = _signed(root, signers)

    def _serve(self, request: Request) -> Reply:
        data = self.files.get(request.path.lstrip("/"))
        if data is None:
            raise RefusedError(f"no such file: {request.path}", status=404)
        return Reply(body=data, type="application/octet-stream")


def _keys(count: int) -> list[CryptoSigner]:
    return [CryptoSigner.generate_ecdsa() for _ in range(count)]


def _signed(content: Root | Targets | Snapshot | Timestamp, signers: Sequence[CryptoSigner]) -> bytes:
    metadata = Metadata(content)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()
