"""MLS310 to MLS319 and MLS329 to MLS339: external data, fields that may not be there, versions and metadata."""

from __future__ import annotations

from typing import Final

from mlsign.evidence.catalogue.entry import EXPORT_AGAIN, CodeEntry

ENTRIES: Final[tuple[CodeEntry, ...]] = (
    CodeEntry(
        code="MLS310",
        title="External data outside of the package",
        meaning=(
            "A tensor takes its data from a location that is not a plain path beneath the folder of the model: absolute, with "
            ".. or . in it, on a drive, a URL, a device name, with a backslash or a NUL, or too long. The cause says which."
        ),
        abuse=(
            "Whoever loads the model reads that file as weights, and the output of the model gives it away: CVE-2022-25882 "
            "(../../../etc/passwd) and its incomplete repair CVE-2024-27318 in onnx. Saving such a model writes to the "
            "location: CVE-2025-51480."
        ),
        action="Save the model again with its weights beside it. If you did not make the model, treat it as hostile.",
    ),
    CodeEntry(
        code="MLS311",
        title="External data missing",
        meaning="The file that a tensor takes its data from is not in the package, or not beside the bare model.",
        abuse=(
            "A file that is not there when the model is verified can be put there before it is loaded; then weights that "
            "nobody signed are scored."
        ),
        action="Put the file where the model looks for it, with exactly that name, and pack again.",
    ),
    CodeEntry(
        code="MLS312",
        title="External data is not listed as weights",
        meaning="A tensor takes its data from a file to which the manifest gives another role than weights.",
        abuse=(
            "A file that reviewers take for documentation or test data becomes part of the model. Golden data as weights "
            "would also make the model's own check part of what it computes."
        ),
        action="Pack the model again: packing gives every file that the model takes data from the role weights.",
    ),
    CodeEntry(
        code="MLS313",
        title="External data is a hard link",
        meaning="The file that a tensor takes its data from has more than one name on this disk.",
        abuse=(
            "A hard link is a regular file to every check of links, and yet it can be a secret of the same disk, or be changed "
            "through its other name after it was verified."
        ),
        action="Replace the link by a copy of the file, or copy the whole package.",
    ),
    CodeEntry(
        code="MLS314",
        title="External data in a file that is no data",
        meaning="A tensor takes its data from the model file itself, from the manifest or from a signature.",
        abuse=(
            "Weights that are at the same time structure or signature are bytes with two meanings: a change that keeps one can "
            "turn the other. Signatures may also be added later, so the weights would change without the model changing."
        ),
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS315",
        title="External region outside of the file",
        meaning=(
            "Offset and length of a tensor do not lie within its file: the offset is negative or unreadable, or the region ends "
            "after the file does."
        ),
        abuse=(
            "A reader that maps the file and trusts the numbers reads other memory, or dies of it, and what it read becomes "
            "weights whose effect an attacker can see."
        ),
        action="Check that the file was copied completely. Otherwise: " + EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS316",
        title="External regions overlap",
        meaning=(
            "Two tensors share a part of their bytes, but not all of them. Two tensors over exactly the same region are fine "
            "(tied weights)."
        ),
        abuse="One small file can pretend to be any number of large tensors, and one change moves weights that nobody looks at.",
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS317",
        title="External region of the wrong length",
        meaning=(
            "The length of a region is not what element type and shape of the tensor ask for. Without a length the region is the "
            "rest of the file."
        ),
        abuse=(
            "Readers disagree on what such a tensor is: one takes the region, another what the shape asks for, and reads beyond "
            "the end of it or leaves values as they were in memory."
        ),
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS318",
        title="External data is a link",
        meaning=(
            "The file that a tensor takes its data from is a symbolic link, or lies in a folder that is one. Links are not "
            "followed: what they lead to is not looked at."
        ),
        abuse=(
            "A link takes any file that the loading process may read as weights (a key, another tenant's model), or is turned "
            "to another file after the check: CVE-2026-34447 (the file) and CVE-2026-27489 (a folder above it) in onnx."
        ),
        action=(
            "Put a copy of the file in place of the link; cp -rL copies a folder with its links resolved. Caches that keep "
            "models as links, as the one of huggingface_hub does, can download into a folder of real files."
        ),
    ),
    CodeEntry(
        code="MLS319",
        title="External data is not a regular file",
        meaning=(
            "Under the name that a tensor takes its data from there is a folder, a named pipe, a socket or a device. It is not "
            "opened."
        ),
        abuse=(
            "Opening a pipe waits until somebody writes to it, and a device such as /dev/zero never ends: whoever loads the "
            "model hangs, or fills its memory. Reading from some devices also changes something."
        ),
        action="Put the file of weights there. If you did not make the model, treat it as hostile.",
    ),
    CodeEntry(
        code="MLS329",
        title="External region unaligned",
        meaning=(
            "A tensor's bytes begin at an offset that is no multiple of the size of its elements, and not where the region of "
            "another tensor of the same file ends. Tensors that are packed without gaps are fine: onnx writes them so."
        ),
        abuse=(
            "Weights that begin between the values of another tensor, or in the middle of a file of another format, are bytes with "
            "two meanings: what looks harmless to one reader is a weight to the other. Readers that map the file may also refuse "
            "it, or crash on it."
        ),
        action=(
            "Where tensors were taken out of the model and its data file was kept, or several models share one data file: save "
            "the model again, which writes a data file of its own. Otherwise: " + EXPORT_AGAIN
        ),
    ),
    CodeEntry(
        code="MLS330",
        title="Unknown field",
        meaning=(
            "A message of the model has a field that no version of ONNX up to IR version 14 has. It may come from a newer ONNX, "
            "or it was put there."
        ),
        abuse=(
            "Protobuf keeps fields it does not know and passes them on. They carry content past every review, and a runtime "
            "built with another schema reads what the inspection could not."
        ),
        action="If the exporter is newer than this version of mlsign, update mlsign. Otherwise: " + EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS331",
        title="Single field written twice",
        meaning=(
            "A field that can have one value is written twice, or two members of a choice are, or one list of numbers is written "
            "in both of its forms."
        ),
        abuse=(
            "Protobuf keeps the last of two numbers and merges two messages; other readers keep the first. The inspection sees "
            "one graph or operator and the runtime runs another."
        ),
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS332",
        title="Text is not UTF-8",
        meaning="A name or another text of the model is not valid UTF-8, which ONNX asks for.",
        abuse=(
            "Readers replace, drop or keep such bytes, so one name becomes two: an operator or input that a policy compares is "
            "not the one that the runtime looks up."
        ),
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS333",
        title="IR version missing or unknown",
        meaning=(
            "The model does not say for which version of the ONNX format it is written, or names one that is newer than this "
            "version of mlsign knows (14)."
        ),
        abuse="The meaning of a model depends on that version; where it is missing or new, every reader assumes its own.",
        action="If the exporter is newer than this version of mlsign, update mlsign. Otherwise: " + EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS334",
        title="No graph",
        meaning="The file is a model without a graph, so it computes nothing.",
        abuse="A file that means nothing to the inspection but something to its loader is a carrier for something else.",
        action="Check that this is the file you meant. Otherwise: " + EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS335",
        title="Opset imported at two versions",
        meaning=(
            "A domain is imported at two versions, or at a version below 1. The empty domain and ai.onnx are the same. The same "
            "import written twice is fine: skl2onnx does it."
        ),
        abuse=(
            "Operators change their meaning between versions. With two imports the inspection and the runtime can pick "
            "different ones, and the model computes something else than was tested."
        ),
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS336",
        title="Domain is not imported",
        meaning="Nodes of the graph, or of a function, use a domain of which no version is imported there.",
        abuse="Which operator such a node means is left to the runtime, so it may be one that nobody reviewed.",
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS337",
        title="Training information",
        meaning=(
            "The model carries graphs for training (training_info). They are inspected, and their operators count, but they have "
            "no place in a model that scores."
        ),
        abuse="Graphs that scoring never runs are where operators and external data hide from tests.",
        action="Export for inference, or remove training_info from the model, and pack again.",
    ),
    CodeEntry(
        code="MLS338",
        title="Runtime configuration in metadata",
        meaning=(
            "A metadata key of the model is one that a runtime takes its settings from: ort_config, or a key that starts like "
            "the configuration keys of onnxruntime (session., ep., optimization.)."
        ),
        abuse=(
            "Where ORT_LOAD_CONFIG_FROM_MODEL is set, onnxruntime takes its session options from ort_config in the model: "
            "profiling writes files, and optimizations and threads change, all chosen by whoever wrote the model."
        ),
        action="Remove the key from metadata_props and configure the runtime where it is started.",
    ),
    CodeEntry(
        code="MLS339",
        title="Metadata key twice",
        meaning="A list of keys and values, such as the metadata of the model, has one key twice.",
        abuse="Readers keep the first or the last, so two of them see different values under one signed name.",
        action=EXPORT_AGAIN,
    ),
)
