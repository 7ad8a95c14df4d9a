"""Findings of the model itself: external data, MLS309 to MLS317, and what the reader saw, MLS330 to MLS370."""

from __future__ import annotations

from typing import Final

from mlsign.evidence.catalogue.entry import CodeEntry

_EXPORT_AGAIN: Final = (
    "Export the model again with a current exporter and pack that file. No honest exporter writes this, so if the model "
    "came from somebody else, do not use it and tell them what was found."
)

ENTRIES: Final[tuple[CodeEntry, ...]] = (
    CodeEntry(
        code="MLS309",
        title="Not a readable ONNX model",
        meaning=(
            "The file is not an ONNX model, or it breaks the rules of the format so that reading cannot go on: it is empty, a "
            "pickle, an archive or another model format, ends too early, has bytes that no protobuf writer produces, or is "
            "larger or deeper than the limits allow. The cause names the rule."
        ),
        abuse=(
            "A pickle named model.onnx runs code in whatever tool guesses formats. Bytes that two readers understand "
            "differently let an attacker show one model to the inspection and another to the runtime. Nesting without end "
            "exhausts the stack of a reader."
        ),
        action=(
            "Look at the cause. For another format, export to ONNX. For a file that ends too early, fetch it again. For a "
            "limit, check that the model really is that large before you raise it."
        ),
    ),
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
        action=_EXPORT_AGAIN,
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
        action="Check that the file was copied completely. Otherwise: " + _EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS316",
        title="External regions overlap",
        meaning=(
            "Two tensors share a part of their bytes, but not all of them. Two tensors over exactly the same region are fine "
            "(tied weights), and so are offsets that are no multiple of the element size, because onnx itself writes them."
        ),
        abuse="One small file can pretend to be any number of large tensors, and one change moves weights that nobody looks at.",
        action=_EXPORT_AGAIN,
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
        action=_EXPORT_AGAIN,
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
        action="If the exporter is newer than this version of mlsign, update mlsign. Otherwise: " + _EXPORT_AGAIN,
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
        action=_EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS332",
        title="Text is not UTF-8",
        meaning="A name or another text of the model is not valid UTF-8, which ONNX asks for.",
        abuse=(
            "Readers replace, drop or keep such bytes, so one name becomes two: an operator or input that a policy compares is "
            "not the one that the runtime looks up."
        ),
        action=_EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS333",
        title="IR version missing or unknown",
        meaning=(
            "The model does not say for which version of the ONNX format it is written, or names one that is newer than this "
            "version of mlsign knows (14)."
        ),
        abuse="The meaning of a model depends on that version; where it is missing or new, every reader assumes its own.",
        action="If the exporter is newer than this version of mlsign, update mlsign. Otherwise: " + _EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS334",
        title="No graph",
        meaning="The file is a model without a graph, so it computes nothing.",
        abuse="A file that means nothing to the inspection but something to its loader is a carrier for something else.",
        action="Check that this is the file you meant. Otherwise: " + _EXPORT_AGAIN,
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
        action=_EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS336",
        title="Domain is not imported",
        meaning="Nodes of the graph, or of a function, use a domain of which no version is imported there.",
        abuse="Which operator such a node means is left to the runtime, so it may be one that nobody reviewed.",
        action=_EXPORT_AGAIN,
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
        action=_EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS340",
        title="Attribute with another value than its type",
        meaning=(
            "An attribute has several values, or none, or one of another kind than its type says, or both a value and a "
            "reference to an attribute of its function."
        ),
        abuse=(
            "One reader goes by the type, another by the value that is there. A graph or tensor in a field that the type does not "
            "name is skipped by the first and run by the second."
        ),
        action=_EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS341",
        title="Attribute without a name, or with a name twice",
        meaning="A node has two attributes of one name, or an attribute without a name.",
        abuse="Readers keep the first or the last of two: the node behaves in another way than the inspection shows.",
        action=_EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS342",
        title="Node without an operator name",
        meaning="The operator of a node has no name, or one that cannot be written in a policy as domain:Name.",
        abuse="A name with separators or foreign characters in it reads like another operator in an allow list or in a log.",
        action="Rename the operator to letters, digits and underscores where it is defined, and export again.",
    ),
    CodeEntry(
        code="MLS343",
        title="Attribute reference outside of a function",
        meaning="An attribute takes its value from an attribute of the function around it, but there is no function.",
        abuse="What the attribute is worth is left to the runtime.",
        action=_EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS344",
        title="Name used twice",
        meaning=(
            "Two inputs, outputs, initializers or results of one graph have one name, or an input or initializer has none. In "
            "ONNX every value is made once."
        ),
        abuse=(
            "Which of two values of one name a node reads depends on the runtime: the inspection follows one, the score comes "
            "from the other."
        ),
        action=_EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS345",
        title="Value used before it is made",
        meaning=(
            "A node or output uses a value that nothing makes, or that a later node makes: the nodes are out of order or in a "
            "circle. Functions see only their own inputs, and values of a subgraph end with it."
        ),
        abuse="Runtimes that sort nodes by themselves have crashed or never ended on circles, and others read memory not yet set.",
        action=_EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS346",
        title="Value of a subgraph hides another",
        meaning="A graph in an attribute (of If, Loop or Scan) makes a value whose name a graph around it already uses.",
        abuse="Inside the subgraph one name means two values, and runtimes differ in which one they take.",
        action=_EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS347",
        title="Initializer of another type than its input",
        meaning="An initializer gives the default of an input but has another element type or shape than the input declares.",
        abuse=(
            "Code that is compiled or checked for the declared shape is run with a tensor of another one: a classic read or write "
            "outside of memory."
        ),
        action=_EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS348",
        title="Input or output without a type",
        meaning="An input or output of the model does not say its type, so nobody can tell what it takes or gives.",
        abuse="A caller cannot check what it passes in, and what comes out may be anything.",
        action="Give every input and output a type where the model is exported.",
    ),
    CodeEntry(
        code="MLS350",
        title="Function defined twice",
        meaning="Two functions of the model have one domain, name and overload.",
        abuse="The inspection expands one of them and the runtime the other.",
        action=_EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS351",
        title="Function takes the name of an operator",
        meaning=(
            "A function of the model is defined in a domain that belongs to ONNX or to a runtime, such as ai.onnx or "
            "com.microsoft."
        ),
        abuse=(
            "To a reader and a policy the model uses ai.onnx:Relu; a runtime that prefers the functions of the model runs "
            "whatever the function says."
        ),
        action="Define functions in a domain of your own.",
    ),
    CodeEntry(
        code="MLS352",
        title="Function reaches itself",
        meaning="A function calls itself, directly or through others. ONNX forbids it.",
        abuse="A runtime copies functions into their calls; this one is copied until memory or the stack ends.",
        action=_EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS353",
        title="Functions expand without measure",
        meaning="When all calls of functions are replaced by their nodes, the model has more nodes than the limit.",
        abuse="Thirty functions that each call the next nine times are 10^28 nodes in a file of a few kilobytes.",
        action="If the model is honest and really is that large, raise the limit; otherwise do not use it.",
    ),
    CodeEntry(
        code="MLS355",
        title="Payload of the wrong length",
        meaning="The data of a tensor is shorter or longer than its element type and shape ask for, or is missing.",
        abuse="A runtime that trusts the shape reads beyond the data and computes with whatever lies behind it in memory.",
        action=_EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS356",
        title="Two payloads, or one in the wrong field",
        meaning="A tensor has data in two fields, both in the file and in another one, or in a field that its type does not use.",
        abuse="Two payloads are two models in one file: the inspection or a test sees one set of weights, the runtime another.",
        action=_EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS357",
        title="Impossible dimensions",
        meaning=(
            "A dimension is negative, or the shape asks for more bytes than 64 bits can count. In the types of inputs -1 is fine: "
            "older exporters mean any size by it."
        ),
        abuse="Sizes that overflow become small allocations with large writes.",
        action=_EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS358",
        title="Unknown element type",
        meaning="A tensor or type has an element type that ONNX does not have, or none.",
        abuse="The size of such an element is whatever the runtime takes it for.",
        action="If the exporter is newer than this version of mlsign, update mlsign. Otherwise: " + _EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS359",
        title="Strings outside of string_data",
        meaning="A tensor of strings has its data in raw_data or in another file, where nothing says where a string ends.",
        abuse="A runtime that takes the bytes for its own string objects follows pointers that the model chose.",
        action=_EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS360",
        title="Place of the data is ambiguous",
        meaning="data_location and external_data of a tensor do not agree on whether its data is in another file.",
        abuse="One reader looks into the file that was signed as weights, another into the model: two models in one package.",
        action=_EXPORT_AGAIN,
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
        action=_EXPORT_AGAIN,
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
        action=_EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS365",
        title="Broken sparse tensor",
        meaning="Values, indices and shape of a sparse tensor do not fit each other, or one of them is missing.",
        abuse="A runtime that makes the tensor dense writes each value where its index says, inside the tensor or not.",
        action=_EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS366",
        title="Broken type",
        meaning=(
            "A type has no value or several, a sequence or map does not say what it holds, a map has keys that cannot be keys, "
            "or the type is opaque: known to some runtime only."
        ),
        abuse="What a value of such a type is depends on who reads it.",
        action=_EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS370",
        title="Broken tree ensemble",
        meaning=(
            "The arrays of a tree ensemble have different lengths, two nodes have one id, a child, root, leaf, target or class "
            "does not exist, or the nodes form a circle."
        ),
        abuse=(
            "Runtimes follow these indices with few checks: one that points outside reads or writes outside, and a circle never "
            "ends."
        ),
        action=_EXPORT_AGAIN,
    ),
)
