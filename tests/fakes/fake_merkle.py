"""The Merkle tree of RFC 6962, growing: appending and proving take steps in the logarithm of its size."""

from fake_pki import sha256


def leaf_hash(body: bytes) -> bytes:
    return sha256(b"\0" + body)


class MerkleTree:
    """``_levels[k][i]`` is the hash over leaves ``i * 2**k`` to ``(i + 1) * 2**k``, kept for complete subtrees."""

    def __init__(self):
        self._levels: list[list[bytes]] = [[]]

    def __len__(self) -> int:
        return len(self._levels[0])

    def append(self, body: bytes) -> int:
        node, level = leaf_hash(body), 0
        self._levels[0].append(node)
        while len(self._levels[level]) % 2 == 0:
            node = sha256(b"\1" + self._levels[level][-2] + node)
            level += 1
            if level == len(self._levels):
                self._levels.append([])
            self._levels[level].append(node)
        return len(self) - 1

    def root(self) -> bytes:
        return self._over(0, len(self)) if len(self) else sha256(b"")

    def path(self, index: int) -> list[bytes]:
        """What must be hashed with leaf ``index``, from the bottom up, to reach the root."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        found, start, end = [], 0, len(self)
        while end - start > 1:
            middle = start + _left(end - start)
            if index < middle:
                found.append(self._over(middle, end))
                end = middle
            else:
                found.append(self._over(start, middle))
                start = middle
        return found[::-1]

    def _over(self, start: int, end: int) -> bytes:
        size = end - start
        if size & (size - 1) == 0:
            level = size.bit_length() - 1
            return self._levels[level][start >> level]
        middle = start + _left(size)
        return sha256(b"\1" + self._over(start, middle) + self._over(middle, end))


def _left(size: int) -> int:
    """How many leaves stand left: the largest power of two below ``size``."""
    return 1 << ((size - 1).bit_length() - 1)
