"""MLS371 to MLS388 that are not tables of operators: signatures of operators, what a run takes, and what operators can do."""

from __future__ import annotations

from typing import Final

from mlsign.evidence.catalogue.entry import EXPORT_AGAIN, CodeEntry

ENTRIES: Final[tuple[CodeEntry, ...]] = (
    CodeEntry(
        code="MLS371",
        title="Operator that ONNX does not have",
        meaning=(
            "A node uses an operator of a standard domain (ai.onnx, ai.onnx.ml and the previews) that does not exist at the "
            "version that the model imports: it was never there, came later, or was withdrawn."
        ),
        abuse=(
            "Runtimes register operators of their own under standard names (onnxruntime has Crop and plugins for "
            "accelerators in ai.onnx), so a name that looks like the specification means native code that nobody reviewed."
        ),
        action="If the exporter is newer than this version of mlsign, update mlsign. Otherwise: " + EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS372",
        title="Wrong number of inputs or outputs",
        meaning=(
            "A node has fewer or more inputs or outputs than its operator takes, leaves out one that must be there, or has neither "
            "inputs nor outputs."
        ),
        abuse=(
            "Kernels and shape inference read their inputs by number. A missing one has been read past the end of the list "
            "(onnxruntime, EmbedLayerNormalization), and a surplus one is content that no reader looks at."
        ),
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS373",
        title="Attributes that are not the operator's",
        meaning=(
            "A node of a standard operator has an attribute that the operator does not have at this version, one of another type, "
            "or lacks one that must be there."
        ),
        abuse=(
            "Runtimes skip what they do not know and make up what is missing, each in its own way: the node behaves in another "
            "way than the one that was tested, or carries content past every review."
        ),
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS378",
        title="Operator that cannot run as it stands",
        meaning=(
            "From constants and shapes of the model follows that an operator fails whatever the caller gives: an index or an axis "
            "outside of what is there, a division of whole numbers by zero, dimensions that do not go together, sizes below zero."
        ),
        abuse=(
            "No exporter that ran its model once writes this. Runtimes check in their own ways and some not at all: Gather and "
            "ArrayFeatureExtractor have read outside of tensors, and a division by zero takes the whole process down."
        ),
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS380",
        title="A run takes too much memory",
        meaning=(
            "From shapes and constants of the model follows that the values of one run, besides inputs and weights, may take more "
            "bytes than the policy allows at once. Dimensions that the model leaves open are taken to be as large as the policy "
            "says; the place is the node that makes the largest value."
        ),
        abuse=(
            "A few bytes of model ask for all memory of a machine: Expand, Tile, ConstantOfShape, Range, Pad, Resize, OneHot with "
            "large constants, thirty Concat nodes that each double a tensor, an outer product of long vectors."
        ),
        action=(
            "Look at the place. If the model is meant to take that much, raise model.run.max_bytes, and sandbox.memory with it. "
            "Otherwise treat it as hostile."
        ),
    ),
    CodeEntry(
        code="MLS381",
        title="Size that only the run decides",
        meaning=(
            "How many elements a value has depends on numbers that are computed while the model runs, so no bound can be read off "
            "it; or the model is too entangled for its bounds to be computed within model.limits.evaluations."
        ),
        abuse="The number that decides is whatever the maker of the model, or the sender of an input, wants it to be.",
        action=(
            "Export the model with constant shapes. Where the model needs this (a detector with a size of its own making, say), set "
            "model.run.unknown_sizes: allow; then the memory limit of the sandbox is what stops it, and reports say so. A model that is "
            "too entangled is let in only where unknown_turns is allow as well: nobody knows what loops it has."
        ),
    ),
    CodeEntry(
        code="MLS382",
        title="A run takes too long",
        meaning=(
            "The operators that one run executes, with every turn of every loop and every call of a function, or its steps of "
            "arithmetic, may be more than the policy allows."
        ),
        abuse=(
            "Three loops of ten thousand turns inside each other are a trillion; a chain of products of large generated matrices "
            "keeps all processors busy for days. Either is a small file."
        ),
        action=(
            "If the model is meant to run so long, raise model.run.max_steps or model.run.max_operations, and sandbox.cpu with it. "
            "Otherwise treat it as hostile."
        ),
    ),
    CodeEntry(
        code="MLS383",
        title="Loop whose turns only the run decides",
        meaning=(
            "How often a Loop, Scan or SequenceMap turns is a number that is computed while the model runs or that the caller gives, "
            "or there is no number and only a condition ends it."
        ),
        abuse="A condition that an input can keep true makes a model that never answers, for inputs that somebody else chooses.",
        action=(
            "Export the loop with a constant largest number of turns. Where the model needs this (a decoder without a largest "
            "length), set model.run.unknown_turns: allow; then the time limits of the sandbox are what stops it."
        ),
    ),
    CodeEntry(
        code="MLS384",
        title="Endless loop",
        meaning="A Loop has no number of turns (or one beyond 2^31), and its condition is always true.",
        abuse="The model never answers. No policy can allow this.",
        action="Give the loop a number of turns, or a condition that ends it, and export again.",
    ),
    CodeEntry(
        code="MLS385",
        title="Operator that reads files",
        meaning="An operator takes the name of a file from the model or from a value and reads it.",
        abuse=(
            "The file is another one than was verified, or one that is none of the model's business; its content shows in what the "
            "model answers. EPContext with embed_mode 0 has taken paths out of the model's folder."
        ),
        action="Export the model without it. The policy lets it in only by its own name in operators.allow.",
    ),
    CodeEntry(
        code="MLS386",
        title="Operator that runs code",
        meaning=(
            "An operator runs code that is not in the model, or a compiled program in it: EPContext, Snpe, PythonOp, PyOp, ATen and "
            "their like."
        ),
        abuse="What it does is beyond every inspection of the model: it is a program with the rights of the process that scores.",
        action="Export the model without it. The policy lets it in only by its own name in operators.allow.",
    ),
    CodeEntry(
        code="MLS387",
        title="Operator that opens the network",
        meaning="An operator sends its inputs to another machine, at an address that the model or the environment gives.",
        abuse="Whatever is scored leaves the machine, to whomever the maker of the model names.",
        action="Export the model without it. The policy lets it in only by its own name in operators.allow.",
    ),
    CodeEntry(
        code="MLS388",
        title="Operator that takes an address in memory",
        meaning="An operator takes a number for an address in the memory of the process, and reads or writes there.",
        abuse="A number in the model writes anywhere in the process that scores.",
        action="Export the model without it. The policy lets it in only by its own name in operators.allow.",
    ),
)
