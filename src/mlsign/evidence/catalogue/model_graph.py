"""MLS340 to MLS353: nodes, names and functions."""

from __future__ import annotations

from typing import Final

from mlsign.evidence.catalogue.entry import EXPORT_AGAIN, CodeEntry

ENTRIES: Final[tuple[CodeEntry, ...]] = (
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
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS341",
        title="Attribute without a name, or with a name twice",
        meaning="A node has two attributes of one name, or an attribute without a name.",
        abuse="Readers keep the first or the last of two: the node behaves in another way than the inspection shows.",
        action=EXPORT_AGAIN,
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
        action=EXPORT_AGAIN,
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
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS345",
        title="Value used before it is made",
        meaning=(
            "A node or output uses a value that nothing makes, or that a later node makes: the nodes are out of order or in a "
            "circle. Functions see only their own inputs, and values of a subgraph end with it."
        ),
        abuse="Runtimes that sort nodes by themselves have crashed or never ended on circles, and others read memory not yet set.",
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS346",
        title="Value of a subgraph hides another",
        meaning="A graph in an attribute (of If, Loop or Scan) makes a value whose name a graph around it already uses.",
        abuse="Inside the subgraph one name means two values, and runtimes differ in which one they take.",
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS347",
        title="Initializer of another type than its input",
        meaning="An initializer gives the default of an input but has another element type or shape than the input declares.",
        abuse=(
            "Code that is compiled or checked for the declared shape is run with a tensor of another one: a classic read or write "
            "outside of memory."
        ),
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS348",
        title="Input or output without a type",
        meaning="An input or output of the model does not say its type, or a tensor not how many dimensions it has.",
        abuse="A caller cannot check what it passes in, and what comes out may be anything.",
        action="Give every input and output a type where the model is exported.",
    ),
    CodeEntry(
        code="MLS367",
        title="Incomplete model",
        meaning=(
            "The model lacks something that its version of the format asks for, or has something before its time: a graph without "
            "a name or without outputs, no import of operator sets (or one before IR version 3), functions before IR version 8, "
            "an initializer that is no input before IR version 4."
        ),
        abuse=(
            "What is missing every reader makes up for itself. onnx refuses such files and runtimes take them, so what was checked "
            "and what runs are told apart by who reads."
        ),
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS368",
        title="Function of another operator set version",
        meaning=(
            "A function uses an operator at a version of its domain at which it means something else than at the version that the "
            "model imports."
        ),
        abuse=(
            "A runtime copies the nodes of a function into the graph of the model, where one version counts for all: the operator "
            "computes something else than was tested."
        ),
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS349",
        title="Every input has its value in the model",
        meaning="The model has inputs, and an initializer for each of them, so it runs without anything from its caller.",
        abuse=(
            "A caller who leaves an input out, or misspells it, gets an answer that was put there before. Since such an input "
            "counts as a weight, the model shows no interface, and what it is fed is checked against nothing."
        ),
        action="Take the initializers of the inputs out of the model, or the inputs out of the graph.",
    ),
    CodeEntry(
        code="MLS350",
        title="Function defined twice",
        meaning="Two functions of the model have one domain, name and overload.",
        abuse="The inspection expands one of them and the runtime the other.",
        action=EXPORT_AGAIN,
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
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS354",
        title="Control character in a name",
        meaning=(
            "A name of a value has a control character, a zero byte, a character of no width or one that turns the direction of text."
        ),
        abuse=(
            "Logs and terminals act on such characters: a line is forged, a warning erased, a name reads as another. A name ends at a "
            "zero byte for every reader that is written in C, so one name is two."
        ),
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS353",
        title="Functions expand without measure",
        meaning="When all calls of functions are replaced by their nodes, the model has more nodes than the limit.",
        abuse="Thirty functions that each call the next nine times are 10^28 nodes in a file of a few kilobytes.",
        action="If the model is honest and really is that large, raise the limit; otherwise do not use it.",
    ),
)
