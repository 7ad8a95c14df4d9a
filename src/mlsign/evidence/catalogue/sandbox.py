"""MLS5xx: the sandbox and scoring."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from mlsign.evidence.catalogue.entry import CodeEntry

ENTRIES: Final[tuple[CodeEntry, ...]] = (
    CodeEntry(
        code="MLS501",
        title="this system cannot confine a process",
        meaning="Scoring needs Linux on x86-64 or aarch64. Packing, signing, verifying and inspecting work elsewhere, too. With "
        "--sandbox gvisor it needs gVisor's runsc as well, and the right to make namespaces; the message says what failed.",
        abuse="A model that runs without walls is as powerful as the program that loads it: parsers and operators of model "
        "runtimes have had memory errors that a crafted model reaches (CVE-2023-4863 shows the class in an image decoder).",
        action="Score on Linux. With gVisor, see what mlsign sandbox status says of it. Where that is impossible and the model is trusted like code, allow scoring without a sandbox "
        "explicitly; every report then says so.",
    ),
    CodeEntry(
        code="MLS502",
        title="a layer of the sandbox that is asked for is not in force",
        meaning="Closed descriptors, no_new_privs, resource limits and the system call filter are always asked for. With "
        "isolation: full every namespace, an empty root and Landlock are, too. The message names what is missing and why.",
        abuse="One wall fewer is one bug fewer that an attacker needs.",
        action="Give the container user namespaces (many default profiles forbid unshare), use a kernel with Landlock (5.13 "
        "or newer), or ask for isolation: available if the remaining layers are enough for you.",
    ),
    CodeEntry(
        code="MLS503",
        title="a wall did not hold when it was tried",
        meaning="After confining itself the worker attempts what must be impossible. Something went through, so nothing was loaded.",
        abuse="A kernel or an emulation of one that accepts a filter and does not apply it looks confined and is not.",
        action="Do not score on this system. Report the kernel, the container runtime and the message.",
    ),
    CodeEntry(
        code="MLS504",
        title="the worker died",
        meaning="The process that runs the model ended without an answer. The message says by which signal and what that means.",
        abuse="SIGSYS means that a forbidden system call was made: by a runtime that needs more than expected, or by a model "
        "that has taken the worker over. A crash (SIGSEGV) is what an attempt at that looks like when it fails.",
        action="Treat SIGSYS and SIGSEGV from a model that you did not make as an attack. For your own models, try another "
        "version of onnxruntime and report the call.",
    ),
    CodeEntry(
        code="MLS505",
        title="a call took too long",
        meaning="There was no answer before the deadline (wall), or the call used up its CPU time (cpu). The worker was ended.",
        abuse="A loop without end, or an operator whose work grows faster than its input, keeps a server from serving.",
        action="Raise wall or cpu in the policy if the model is honestly slow; send smaller batches.",
    ),
    CodeEntry(
        code="MLS506",
        title="the memory limit was reached",
        meaning="The model asked for more address space than the policy allows. The call failed; the worker serves on.",
        abuse="A few bytes of model can ask for terabytes: ConstantOfShape, Expand, Tile, Resize.",
        action="Raise memory in the policy if the model is honestly large. With its weights inside the file it needs about three "
        "times its size while it loads.",
    ),
    CodeEntry(
        code="MLS507",
        title="the worker broke the contract",
        meaning="What the worker sent is no answer: not a frame, of another request, or with outputs that the model does not "
        "declare. Nothing of it was used and the worker was ended.",
        abuse="A worker that was taken over can say anything; it must not be able to confuse the program that listens.",
        action="Treat it as an attack, unless the output's declared type in the model is wrong: then correct the model.",
    ),
    CodeEntry(
        code="MLS508",
        title="the runtime refuses the model",
        meaning="onnxruntime does not load this model. Its own complaint is in the message.",
        abuse="Bytes that one reader takes for a model and another does not are how reviews are deceived.",
        action="Check the model with the version of onnxruntime that serves it before you sign it: a golden test set does that.",
    ),
    CodeEntry(
        code="MLS509",
        title="the model fails on this input",
        meaning="An operator refused its input: a shape that does not fit, an index outside. The worker serves on.",
        abuse="None by itself; inputs that make a model fail are worth watching where strangers send them.",
        action="Correct the input. The message names the operator.",
    ),
    CodeEntry(
        code="MLS510",
        title="the runtime sees another model than was verified",
        meaning="Inputs, outputs or external tensors differ between mlsign's reader and onnxruntime.",
        abuse="Two readings of the same bytes: the harmless one for the review, the other one for the run.",
        action="Do not use the model. If it comes from an honest exporter, report it: one of the two readers is wrong.",
    ),
    CodeEntry(
        code="MLS511",
        title="memory that can still change",
        meaning="A file was handed to the sandbox in memory that is not sealed, or of another size than verified.",
        abuse="Whoever can still write to it exchanges the model between verification and loading.",
        action="Hand over files only as verification sealed them. This is a defect of the calling program.",
    ),
    CodeEntry(
        code="MLS512",
        title="scored without a sandbox",
        meaning="Scoring without confinement was allowed explicitly on a system that cannot confine, and took place.",
        abuse="See MLS501.",
        action="Score on Linux, and take the permission back.",
    ),
    CodeEntry(
        code="MLS513",
        title="the jail cannot be used any more",
        meaning="It was closed, its worker was ended after an earlier error, or it belongs to the process before a fork.",
        abuse="None; carrying on after such an error is what would be abused.",
        action="Start a new one. After a fork, start one in each process.",
    ),
)

BY_ERROR: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sandbox.unavailable": "MLS501",
        "sandbox.layer": "MLS502",
        "sandbox.threads": "MLS502",
        "sandbox.spawn": "MLS502",
        "sandbox.runtime": "MLS503",
        "sandbox.proof": "MLS503",
        "sandbox.worker.died": "MLS504",
        "sandbox.deadline": "MLS505",
        "sandbox.cpu": "MLS505",
        "sandbox.memory": "MLS506",
        "sandbox.output.size": "MLS506",
        "sandbox.frame": "MLS507",
        "sandbox.output": "MLS507",
        "sandbox.output.name": "MLS507",
        "sandbox.model.load": "MLS508",
        "sandbox.model.start": "MLS508",
        "sandbox.model.run": "MLS509",
        "sandbox.output.kind": "MLS509",
        "sandbox.interface": "MLS510",
        "sandbox.external": "MLS510",
        "sandbox.unsealed": "MLS511",
        "sandbox.dead": "MLS513",
        "sandbox.fork": "MLS513",
    }
)
"""The finding code of each error code that the sandbox raises as ``JailError``."""
