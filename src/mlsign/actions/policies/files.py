"""The files of one policy: itself, its parents, and whatever they name. Each is opened once, and its digest is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlsign.digest import Digest, sha256
from mlsign.errors import InputError, TrustError, shown
from mlsign.limits import Limits
from mlsign.package.read import read_user_file
from mlsign.roots.shipped import read_shipped


class PolicyFiles:
    """What was read for the policy at ``path``; names are relative to it. What was read once is not opened again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._policy: bytes | None = None
        self._content: dict[str, bytes] = {}
        self._signed: Mapping[str, Digest] | None = None
        self._chain: set[tuple[int, int]] = set()

    def read_policy(self, *, limits: Limits) -> bytes:
        """The bytes of the policy itself. Raises ``InputError`` (``policy.missing``, …) and ``OutsideError``."""
        if self._policy is None:
            self._policy, inode = read_user_file(self.path, max_bytes=limits.max_policy_bytes, what="policy")
            self._chain.add(inode)
        return self._policy

    def expect(self, signed: Mapping[str, Digest]) -> None:
        """Takes no further file but those that were signed with the policy, byte for byte."""
        self._signed = signed

    def read_parent(self, name: str, *, shipped: str, limits: Limits) -> bytes:
        """The bytes of a parent. Raises as ``read_policy``, and ``policy.extends`` for a file that is in the chain already."""
        if shipped:
            file = f"{shipped}.yaml"
            found = read_shipped("policies", "*.yaml")
            if file not in found:
                known = ", ".join(sorted(each.removesuffix(".yaml") for each in found))
                raise InputError(f"does not travel with mlsign, what does is {known}", code="policy.extends")
            return self.keep(name, found[file])
        data, inode = read_user_file(self.path.parent / name, max_bytes=limits.max_policy_bytes, what="policy")
        if inode in self._chain:
            raise InputError("is in this chain already, so it would extend itself", code="policy.extends")
        self._chain.add(inode)
        return self.keep(name, data)

    def read(self, name: str, *, max_bytes: int, what: str) -> bytes:
        """The bytes of a file that the policy names. Raises ``InputError`` (``WHAT.missing``, …) and ``OutsideError``."""
        if name not in self._content:
            data, _ = read_user_file(self.path.parent / name, max_bytes=max_bytes, what=what)
            self.keep(name, data)
        return self._content[name]

    def keep(self, name: str, content: bytes) -> bytes:
        """The bytes of a file, noted before anybody makes sense of them.

        Raises ``TrustError`` (``policy.signature.file``) for one that was not signed with the policy.
        """
        if self._signed is not None and self._signed.get(name) != (found := sha256(content)):
            known = name in self._signed
            raise TrustError(
                f"{shown(name)}, which the policy {shown(self.path.name)} rests on, "
                + ("was changed after it was signed" if known else "was not signed with it"),
                code="policy.signature.file",
                where=shown(self.path.parent / name),
                expected=str(self._signed[name]) if known else "",
                found=str(found),
                hint="get the file again, or have the policy signed again with it",
            )
        self._content[name] = content
        return content

    def digests(self) -> dict[str, Digest]:
        """The sha256 of every file that was read, but for the policy itself, by its name."""
        return {name: sha256(content) for name, content in sorted(self._content.items())}
