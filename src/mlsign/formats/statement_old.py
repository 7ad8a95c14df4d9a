"""The statement of OMS 0.2, from before the specification: the files themselves are its subjects.

It names no model, no way of serialization and no paths that were ignored: it lists files by sha256 and that is all.
"""

from __future__ import annotations

from typing import Final

from mlsign.digest import Algorithm, decode_hex
from mlsign.formats.statement_parts import Names, Resource
from mlsign.limits import Limits
from mlsign.paths import decode_path
from mlsign.strict import Fields

OLD_PREDICATE_TYPE: Final = "https://model_signing/Digests/v0.1"
_WHOLE_FILE: Final = "file-sha256"
"""What the digest is of. The signers of that time could also take digests of shards or of whole folders."""


def decode_old_files(top: Fields, *, limits: Limits) -> tuple[Resource, ...]:
    """The files of an old statement. Raises ``InputError`` (``statement.…``, ``path.…``, ``digest.…``)."""
    names = Names()
    out = []
    for value, where in top.items("subject", maximum=limits.max_files + 1, minimum=1):
        fields = Fields(value, where=where, format_name="statement")
        path = decode_path(fields.text("name", maximum=limits.max_path_bytes), where=f"{where}.name", limits=limits)
        digests = fields.fields("digest")
        digest = decode_hex(Algorithm.SHA256, digests.text("sha256"), where=f"{digests.where}.sha256")
        digests.done_but_extensible(("sha256",))
        annotations = fields.fields("annotations")
        annotations.literal("actual_hash_algorithm", allowed=(_WHOLE_FILE,))
        annotations.done_but_extensible(("actual_hash_algorithm",))
        fields.done_but_extensible(("name", "digest", "annotations"))
        names.add(path, fields=fields)
        out.append(Resource(path=path, digest=digest))
    # The signers filled the predicate with a remark about that; anything else in it would be a condition we cannot read.
    predicate = top.fields("predicate")
    predicate.text("unused", empty=True)
    predicate.done()
    return tuple(out)
