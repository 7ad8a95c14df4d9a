"""MLS309 and MLS320 to MLS327: files that could not be read as a model, by what they are instead or what stopped the reader."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from mlsign.evidence.catalogue.entry import EXPORT_AGAIN, CodeEntry

ENTRIES: Final[tuple[CodeEntry, ...]] = (
    CodeEntry(
        code="MLS309",
        title="Not a readable ONNX model",
        meaning=(
            "The file could not be read as a model, for none of the reasons that have a code of their own: another format (MLS320 "
            "to MLS324), a broken encoding (MLS325), or a limit (MLS326, MLS327). The cause names the rule."
        ),
        abuse="A file that the inspection cannot read, and a runtime perhaps can, is a way past the inspection.",
        action="Look at the cause. Fetch the file again, or export the model again, before you look for an exception.",
    ),
    CodeEntry(
        code="MLS320",
        title="A Python pickle",
        meaning=(
            "The file is a pickle: a program for a small machine inside Python that builds objects by calling functions. PyTorch "
            "(in its old format), scikit-learn and joblib save models so. Pickles are known by walking their opcodes, so those of "
            "protocols 0 and 1, and those whose header was left out, are found too, and a file that is both a pickle and a "
            "protobuf message is taken for the pickle that it is. Nothing of it is executed here."
        ),
        abuse=(
            "Whoever loads a pickle runs what its maker wants, before any model exists: os.system is one opcode away. Loaders that "
            "guess formats, and those that promise to be careful, have been led to do it: torch.load with weights_only=True "
            "(CVE-2025-32434). Scanners that go by names or extensions have been passed by (CVE-2025-1716, CVE-2025-10155 in "
            "picklescan)."
        ),
        action=(
            "Do not load it to see what it is. If it is your own model, export it to ONNX where it was trained (torch.onnx, "
            "skl2onnx) and pack that file. If it came from somebody else under the name of an ONNX model, treat it as hostile."
        ),
    ),
    CodeEntry(
        code="MLS321",
        title="An archive or a compressed file",
        meaning=(
            "The file is an archive (ZIP, tar, RAR, 7z) or compressed (gzip, bzip2, xz, LZMA, zstd, lz4, zlib). PyTorch, TorchScript, "
            "Keras and NumPy save models as ZIP archives, joblib as compressed pickles. Archives are not opened: a model is "
            "inspected as the file that a runtime reads. A file that begins as a model and ends as a ZIP archive is refused as well."
        ),
        abuse=(
            "An archive carries any other file past an inspection that does not look in, and the archives of PyTorch carry a "
            "pickle. Readers of one ZIP disagree on what is in it (CVE-2025-1944, CVE-2025-1945 in picklescan); a .keras archive "
            "ran code from its config.json with safe mode on (CVE-2025-1550); and some kilobytes of entries that overlap unpack to "
            "gigabytes (CVE-2024-0450). A ZIP archive is found from its end, so one that hides in the weights of a model that runs is "
            "opened by the next tool: `python model.onnx` runs a `__main__.py` in it."
        ),
        action=(
            "If the ONNX model is inside, unpack it in a place where links and file names can do no harm, and name the .onnx file. "
            "If it is a model of another library, export it to ONNX."
        ),
    ),
    CodeEntry(
        code="MLS322",
        title="An ORT flatbuffer",
        meaning=(
            "The file is a model in the internal format of onnxruntime (.ort), whatever its name says. onnxruntime tells the two "
            "apart by content when it is given bytes, and loads either."
        ),
        abuse=(
            "A flatbuffer is offsets into memory that are followed as they stand. It holds the graph as it was optimized for one "
            "machine, with its kernels already chosen, and no inspection of ONNX sees any of it: operators, external data and "
            "loops that a policy refuses come back in by this door."
        ),
        action=(
            "Pack the ONNX model that it was converted from. Where start-up time matters, convert to .ort on the machine that "
            "scores, after the model was verified."
        ),
    ),
    CodeEntry(
        code="MLS323",
        title="An empty file",
        meaning="The file has no bytes at all. For protobuf that is a valid message in which every field is missing.",
        abuse=(
            "Parsers take it for a model without a word, so a check that only asks whether the file can be parsed passes. Mostly it "
            "is an accident: a disk that was full, a download that broke off, a placeholder; and the model that was signed last "
            "week is gone."
        ),
        action="Find out why it is empty, then write or fetch the model again.",
    ),
    CodeEntry(
        code="MLS324",
        title="A file of another format",
        meaning=(
            "The file is something else: a model of another library (HDF5 and Keras, TensorFlow, TensorFlow Lite, Core ML, "
            "safetensors, GGUF, TensorRT, ExecuTorch, PMML), serialized objects of Java or R, a NumPy array, an executable, text, or "
            "the pointer that Git LFS leaves where a file was not fetched. The message says which."
        ),
        abuse=(
            "Tools that look at the content load it all the same, with less care than its own name would have got: Keras runs "
            "code from HDF5 (CVE-2024-3660), R from its serialized objects (CVE-2024-27322), a TensorRT engine is a program, and "
            "readers of GGUF have written past their buffers (CVE-2025-53630, and around its repair CVE-2026-27940)."
        ),
        action=(
            "Export the model to ONNX and pack that file. For a pointer of Git LFS, run git lfs pull. If the file came from "
            "somebody else under the name of an ONNX model, ask why."
        ),
    ),
    CodeEntry(
        code="MLS325",
        title="Broken protobuf encoding",
        meaning=(
            "The file breaks the wire format of protobuf, so that reading cannot go on: it ends inside a field, a field reaches "
            "past the end of its message, has a number or a wire type that does not exist or is not the one of ONNX, a group, or "
            "an integer that is not written in its shortest form or is wider than its field. The cause names the rule and the "
            "place."
        ),
        abuse=(
            "Readers differ on what no writer produces: one stops, one skips, one cuts an integer to 32 bits; so the inspection "
            "and the runtime see two models in one file. Groups in unknown fields have overflowed stacks (CVE-2024-7254)."
        ),
        action="Fetch the file again and compare sizes: most often it was cut short. Otherwise: " + EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS326",
        title="Beyond a limit of size or count",
        meaning=(
            "The model has more nodes, edges, graphs, functions, tensors, attributes, fields, dimensions or bytes of structure, or "
            "a longer name, than is read. The cause names the limit. The limits of the program are far above what exporters "
            "produce; weights do not count, because they are never read."
        ),
        abuse=(
            "Every count in a file costs the reader time and memory: ten bytes of protobuf become a kilobyte of objects. A model of "
            "nothing but nodes, names or empty fields stops whoever reads it without counting."
        ),
        action=(
            "Policies may set tighter limits (model.limits): if this is one of them and the model is honest, raise it there. The "
            "limits of the program itself are no policy's to raise. Otherwise treat the model as hostile."
        ),
    ),
    CodeEntry(
        code="MLS327",
        title="Nested too deep",
        meaning=(
            "Graphs inside of attributes, or types inside of types, are nested deeper than the limit (32 and 16). Exporters stay "
            "below five."
        ),
        abuse=(
            "A recursive reader uses its stack for every level. Some hundred bytes of nested messages have crashed parsers of "
            "protobuf (CVE-2024-7254 in Java, CVE-2025-4565 in Python), shape inference and runtimes alike, and a crash in native "
            "code takes the whole process with it."
        ),
        action="No honest exporter nests so deep: treat the model as hostile. " + EXPORT_AGAIN,
    ),
)

_ARCHIVES: Final = ("zip", "gzip", "bzip2", "xz", "lzma", "zstd", "lz4", "zlib", "rar", "7z", "tar")
BY_ERROR: Final = MappingProxyType(
    {
        "onnx.magic.pickle": "MLS320",
        **{f"onnx.magic.{name}": "MLS321" for name in _ARCHIVES},
        "onnx.magic.ort": "MLS322",
        "onnx.empty": "MLS323",
        "onnx.limit.depth": "MLS327",
        "onnx.limit.type_depth": "MLS327",
    }
)
"""The finding code of each error code of the reader that does not share it with its whole family."""
_BY_FAMILY: Final = MappingProxyType({"onnx.magic.": "MLS324", "onnx.wire.": "MLS325", "onnx.limit.": "MLS326"})


def code_of_unread(error_code: str) -> str:
    """The finding code for a model that ``error_code`` kept from being read."""
    families = (code for family, code in _BY_FAMILY.items() if error_code.startswith(family))
    return BY_ERROR.get(error_code) or next(families, "MLS309")
