"""Shards in a statement: resources named ``path:start:end``, which must be each file from its first byte to its last.

The specification of OMS 1.0 only names the method; how it is spelled is read off the reference signer. It lists no
empty file, so such a statement covers none.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Final

from mlsign.digest import Algorithm, Digest, decode_hex
from mlsign.errors import shown
from mlsign.formats.statement_parts import Names, ShardedResource, Sharding, file_name
from mlsign.limits import Limits
from mlsign.paths import decode_path
from mlsign.strict import MAX_SAFE_INTEGER, Fields, decode_decimal

_RESOURCE_FIELDS: Final = ("name", "algorithm", "digest")
_NUMBERS_LENGTH: Final = 2 * len(":9223372036854775807")
"""What a range adds to a path at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shard:
    """The bytes of a file from ``start`` up to ``end``."""

    name: str
    start: int
    end: int
    digest: Digest
    fields: Fields


def decode_sharding(serialization: Fields, *, algorithm: Algorithm) -> Sharding:
    """The size of the shards, which the reference signer writes as ``1000.0``. Raises ``InputError`` (``statement.…``)."""
    size = serialization.number("shard_size", minimum=1, maximum=MAX_SAFE_INTEGER)
    if not size.is_integer():
        raise serialization.wrong(f"is {size}, which is no whole number of bytes", code="shard_size", name="shard_size")
    return Sharding(algorithm=algorithm, shard_size=int(size))


def decode_shards(predicate: Fields, *, sharding: Sharding, subject_name: str, limits: Limits) -> tuple[ShardedResource, ...]:
    """The files that the shards are. Raises ``InputError`` (``statement.…``, ``integer.…``, ``path.…``, ``digest.…``)."""
    items = predicate.items("resources", maximum=limits.max_files + 1, minimum=1)
    shards = [
        _decode_shard(Fields(value, where=where, format_name="statement"), sharding=sharding, limits=limits)
        for value, where in items
    ]
    files = [tuple(group) for _, group in groupby(shards, key=lambda shard: shard.name)]
    names = Names()
    out = []
    for file in files:
        first = file[0]
        name = file_name(first.name, subject_name=subject_name, fields=first.fields) if len(files) == 1 else first.name
        path = decode_path(name, where=f"{first.fields.where}.name", limits=limits)
        # Shards of one file that stand apart come here as two files of one name.
        names.add(path, fields=first.fields)
        size = _check_cover(file, sharding=sharding)
        out.append(ShardedResource(path=path, size=size, sharding=sharding, digests=tuple(s.digest for s in file)))
    return tuple(out)


def _decode_shard(fields: Fields, *, sharding: Sharding, limits: Limits) -> _Shard:
    text = fields.text("name", maximum=limits.max_path_bytes + _NUMBERS_LENGTH)
    parts = text.split(":")
    if len(parts) != 3:
        raise fields.wrong(f"{shown(text)} is not path:start:end", code="shard", name="name", found=text)
    where = f"{fields.where}.name"
    start, end = (decode_decimal(part, where=where, maximum=limits.max_file_bytes) for part in parts[1:])
    fields.literal("algorithm", allowed=(sharding.name,))
    if not 0 < end - start <= sharding.shard_size:
        raise fields.wrong(
            f"{shown(text)} has {end - start} bytes, allowed are 1 to {sharding.shard_size}",
            code="shard",
            name="name",
            found=text,
        )
    digest = decode_hex(sharding.algorithm, fields.text("digest"), where=f"{fields.where}.digest")
    fields.done_but_extensible(_RESOURCE_FIELDS)
    return _Shard(name=parts[0], start=start, end=end, digest=digest, fields=fields)


def _check_cover(file: tuple[_Shard, ...], *, sharding: Sharding) -> int:
    """The size of the file, when its shards follow each other from 0 and only the last one may be shorter."""
    size = 0
    for shard in file:
        if size % sharding.shard_size:
            raise shard.fields.wrong("follows a shard that is shorter than the others and so the last", code="shard", name="name")
        if shard.start != size:
            raise shard.fields.wrong(
                f"starts at byte {shard.start}, the shards before it end at {size}", code="shard", name="name", found=shard.start
            )
        size = shard.end
    return size
