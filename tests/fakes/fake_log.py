"""What both versions of the transparency log share: entries in a tree, and checkpoints as signed notes."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import rfc8785
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from fake_merkle import MerkleTree, leaf_hash
from fake_pki import b64, pae, sha256, unb64


@dataclass(frozen=True, kw_only=True)
class Entry:
    index: int  # in the tree
    body: bytes
    time: datetime

    @property
    def leaf(self) -> bytes:
        return leaf_hash(self.body)


@dataclass(frozen=True, kw_only=True)
class Proof:
    index: int
    size: int
    root: bytes
    hashes: list[bytes]
    checkpoint: str


class TransparencyLog:
    """``name`` signs the notes, ``origin`` is their first line, ``hint`` the four bytes before each signature.

    ``older`` leaves are in the tree from the beginning, so that there is something to prove; ``entries`` has the rest.
    """

    def __init__(
        self,
        *,
        name: str,
        origin: str,
        hint: bytes,
        sign: Callable[[bytes], bytes],
        older: int,
        extra: Callable[[], str] = str,
    ):
        self.name = name
        self.origin = origin
        self.hint = hint
        self.sign = sign
        self.extra = extra  # further lines of a note, each ending with a line feed
        self.entries: list[Entry] = []
        self._by_leaf: dict[bytes, Entry] = {}
        self._tree = MerkleTree()
        for number in range(older):
            self._tree.append(b"older entry %d" % number)
        self._lock = threading.Lock()
        self._witness = ed25519.Ed25519PrivateKey.generate()

    def at(self, index: int) -> Entry | None:
        """The entry at an index of the tree; older leaves are none that could be shown."""
        with self._lock:
            number = index - (len(self._tree) - len(self.entries))
            return self.entries[number] if 0 <= number < len(self.entries) else None

    def find(self, leaf: bytes) -> Entry | None:
        return self._by_leaf.get(leaf)

    def append(self, value: Any, *, time: datetime) -> tuple[Entry, bool]:
        """The entry of a canonical body, and whether it is new."""
        body = rfc8785.dumps(value)
        with self._lock:
            found = self.find(leaf_hash(body))
            if found:
                return found, False
            entry = Entry(index=self._tree.append(body), body=body, time=time)
            self.entries.append(entry)
            self._by_leaf[entry.leaf] = entry
            return entry, True

    def prove(self, entry: Entry, *, time: datetime) -> Proof:
        """That the entry is in the log as it is now."""
        with self._lock:
            size, root, hashes = len(self._tree), self._tree.root(), self._tree.path(entry.index)
        note = self._checkpoint(size, root, time=time)
        return Proof(index=entry.index, size=size, root=root, hashes=hashes, checkpoint=note)

    def head(self, *, time: datetime) -> tuple[int, bytes, str]:
        with self._lock:
            size, root = len(self._tree), self._tree.root()
        return size, root, self._checkpoint(size, root, time=time)

    def _checkpoint(self, size: int, root: bytes, *, time: datetime) -> str:
        text = f"{self.origin}\n{size}\n{b64(root)}\n{self.extra()}"
        lines = f"\u2014 {self.name} {b64(self.hint + self.sign(text.encode()))}\n"
        return f"{text}\n{lines}{self._cosignature(text, time=time)}"

    def _cosignature(self, text: str, *, time: datetime) -> str:
        """A second line of signature, by a witness whom nobody has to know: readers pick the line of the log."""
        name, seconds = "witness.local", int(time.timestamp())
        raw = self._witness.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        hint = sha256(f"{name}\n".encode() + b"\x04" + raw)[:4]
        signature = self._witness.sign(f"cosignature/v1\ntime {seconds}\n{text}".encode())
        return f"\u2014 {name} {b64(hint + seconds.to_bytes(8, 'big') + signature)}\n"


def decode_envelope(value: Any) -> tuple[bytes, bytes, list[bytes]]:
    """The signed bytes, the payload and the signatures of a DSSE envelope in JSON."""
    payload = unb64(value["payload"], what="payload")
    signatures = [unb64(s["sig"], what="signature") for s in value["signatures"]]
    return pae(value["payloadType"], payload), payload, signatures
