"""Opset imports: one version for each domain that nodes use."""

from __future__ import annotations

from mlsign.errors import shown
from mlsign.interface import ONNX_DOMAIN
from mlsign.onnx import problems, schema
from mlsign.onnx.scan import Scan, body, text
from mlsign.onnx.wire import Value, Where, signed


def read_opsets(scan: Scan, bodies: list[Value], where: Where) -> dict[str, int]:
    """Version by domain. A domain at two versions, or at none, is a problem.

    Writing the same import twice is not: skl2onnx does, and every reader gets the same answer.
    """
    out: dict[str, int] = {}
    for index, data in enumerate(bodies):
        here = (where, "opset_import", index)
        domain, version = "", 0
        for number, value in scan.fields(body(data), schema.OPSET, here):
            if isinstance(value, int):
                version = signed(value)
            elif number == 1:
                domain = text(scan.name(value, here))
        domain = domain or ONNX_DOMAIN
        if out.get(domain, version) != version or version < 1:
            scan.problems.add(
                problems.BAD_OPSETS,
                f"domain {shown(domain)} is imported at two versions, or at none",
                here,
                expected="one version of each domain, 1 or later",
                found=version,
            )
        out[domain] = version
    return out
