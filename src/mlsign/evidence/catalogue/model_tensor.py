"""MLS355 to MLS366: tensors and types."""

from __future__ import annotations

from typing import Final

from mlsign.evidence.catalogue.entry import EXPORT_AGAIN, CodeEntry

ENTRIES: Final[tuple[CodeEntry, ...]] = (
    CodeEntry(
        code="MLS355",
        title="Payload of the wrong length",
        meaning="The data of a tensor is shorter or longer than its element type and shape ask for, or is missing.",
        abuse="A runtime that trusts the shape reads beyond the data and computes with whatever lies behind it in memory.",
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS356",
        title="Two payloads, or one in the wrong field",
        meaning="A tensor has data in two fields, both in the file and in another one, or in a field that its type does not use.",
        abuse="Two payloads are two models in one file: the inspection or a test sees one set of weights, the runtime another.",
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS357",
        title="Impossible dimensions",
        meaning=(
            "A dimension is negative, or the shape asks for more bytes than 64 bits can count. In the types of inputs -1 is fine: "
            "older exporters mean any size by it."
        ),
        abuse="Sizes that overflow become small allocations with large writes.",
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS358",
        title="Unknown element type",
        meaning="A tensor or type has an element type that ONNX does not have, or none.",
        abuse="The size of such an element is whatever the runtime takes it for.",
        action="If the exporter is newer than this version of mlsign, update mlsign. Otherwise: " + EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS359",
        title="Strings outside of string_data",
        meaning="A tensor of strings has its data in raw_data or in another file, where nothing says where a string ends.",
        abuse="A runtime that takes the bytes for its own string objects follows pointers that the model chose.",
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS360",
        title="Place of the data is ambiguous",
        meaning="data_location and external_data of a tensor do not agree on whether its data is in another file.",
        abuse="One reader looks into the file that was signed as weights, another into the model: two models in one package.",
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS361",
        title="External data that cannot be read in one way",
        meaning=(
            "external_data of a tensor has an unknown key, a key twice, no location, or an offset or length that is not a plain "
            "decimal number. Known keys are location, offset, length and checksum."
        ),
        abuse=(
            "Readers parse 0x10, -1 or 1e3 in different ways and keep the first or the last of two locations. Unknown keys such "
            "as basepath move the location elsewhere in readers that know them."
        ),
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS362",
        title="External data at a memory address",
        meaning="The location of a tensor is the marker with which onnxruntime refers to its own memory; the offset is an address.",
        abuse=(
            "A reader that accepts the marker from a file reads memory at an address that the model chose, or crashes. It has no "
            "meaning outside of a running process."
        ),
        action="Do not use the model: nobody writes this into a file by accident.",
    ),
    CodeEntry(
        code="MLS363",
        title="External data in an unusual place",
        meaning=(
            "A tensor in an attribute, a sparse tensor, a function or training information keeps its data in another file. The "
            "format has room for it; tools look for external data in initializers only."
        ),
        abuse=(
            "Checks that walk initializers never see the location, so it can leave the package where the loader of attributes "
            "follows it."
        ),
        action="Save the model with external data for initializers only (convert_attribute=False in onnx), and pack again.",
    ),
    CodeEntry(
        code="MLS364",
        title="Tensor is a segment",
        meaning="A tensor says that it is only a segment of a larger one, a feature of ONNX that nothing uses.",
        abuse="Readers ignore the field or obey it: the tensor has two values.",
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS365",
        title="Broken sparse tensor",
        meaning=(
            "Values, indices and shape of a sparse tensor do not fit each other, or one of them is missing; or an index is "
            "outside of the shape, out of order or there twice."
        ),
        abuse="A runtime that makes the tensor dense writes each value where its index says, inside the tensor or not.",
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS366",
        title="Broken type",
        meaning=(
            "A type has no value or several, a sequence or map does not say what it holds, a map has keys that cannot be keys, "
            "or the type is opaque: known to some runtime only."
        ),
        abuse="What a value of such a type is depends on who reads it.",
        action=EXPORT_AGAIN,
    ),
)
