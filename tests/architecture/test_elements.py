"""The reader and the manifest name element types alike."""

from __future__ import annotations

from mlsign.formats.manifest_codec import ELEMENTS
from mlsign.onnx import schema


def test_the_manifest_can_carry_every_element_type_the_reader_knows() -> None:
    tables = [value for value in vars(schema).values() if hasattr(value, "values") and not isinstance(value, type)]
    names = {item.name for table in tables for item in table.values() if isinstance(item, schema.Element)}
    assert {"float", "string", "float6e2m3"} <= names
    assert names == ELEMENTS
