"""Opset imports: one version for each domain that nodes use."""

from __future__ import annotations

from collections.abc import Sequence

from mlsign.errors import shown
from mlsign.interface import ONNX_DOMAIN
from mlsign.onnx import problems, schema
from mlsign.onnx.scan import Scan, body, integer, text
from mlsign.onnx.wire import Value, Where


def read_opsets(scan: Scan, bodies: Sequence[Value], where: Where) -> dict[str, int]:
    """Version by domain. A domain at two versions, or at none, is a problem.

    Writing the same import twice is not: skl2onnx does, and every reader gets the same answer.
    """
    out: dict[str, int] = {}
    for index, data in enumerate(bodies):
        here = (where, "opset_import", index)
        parts = scan.fields(body(data), schema.OPSET, here)
        domain = text(scan.last(parts, 1, here)) or ONNX_DOMAIN
        version = integer(parts, 2)
        if out.get(domain, version) != version or not 1 <= version < 2**31:
            scan.problems.add(
                problems.BAD_OPSETS,
                f"domain {shown(domain)} is imported at two versions, or at none",
                here,
                expected="one version of each domain, from 1 to 2^31-1",
                found=version,
            )
        out[domain] = version
    return out
