"""Windows, blocks and axes: the small numbers with which convolutions, pools and reshaping operators count.

Kernels divide by strides, groups and blocks, multiply sizes in 32 bits, and read as many entries of one list as another
one has. Shape inference does the same without a run. Negative pads are honest: they cut.
"""

from __future__ import annotations

from typing import Final

from mlsign.onnx.operators.told import INT32, BrokenError, Told, in_range

MAX_SAMPLING: Final = 256
"""Samples along each side of a bin of RoiAlign; time grows with the square. Detectors use 0 (as many as fit) or 2."""
_POSITIVE: Final = (
    "group",
    "offset_group",
    "blocksize",
    "num_groups",
    "size",
    "hidden_size",
    "num_outputs",
    "output_height",
    "output_width",
)


def check_window(told: Told) -> None:
    """Kernel, strides, dilations and pads of one number of dimensions, none below 1, none beyond 32 bits."""
    _check_positive(told)
    rank, first, most = 0, "", told.limits.max_dimensions
    for name in ("kernel_shape", "strides", "dilations"):
        found = in_range(told.few(name, most), name, least=1, most=INT32 - 1)
        if rank and found and len(found) != rank:
            raise BrokenError(f"{name} has {len(found)} entries, {first} has {rank}")
        if found:
            rank, first = len(found), name
    pads = in_range(told.few("pads", 2 * most), "pads", least=-INT32 + 1, most=INT32 - 1)
    if len(pads) % 2 or (rank and pads and len(pads) != 2 * rank):
        raise BrokenError(f"pads has {len(pads)} entries" + (f", {first} has {rank}" if rank else ""))
    rank, first = (rank, first) if rank else (len(pads) // 2, "half of pads")
    more = in_range(told.few("output_padding", most), "output_padding", least=0, most=INT32 - 1)
    sizes = in_range(told.few("output_shape", most + 2), "output_shape", least=-INT32 + 1, most=INT32 - 1)
    # some write the batch and the channels too
    if rank and ((more and len(more) != rank) or (sizes and len(sizes) not in {rank, rank + 2})):
        raise BrokenError(f"output_padding has {len(more)} and output_shape {len(sizes)} entries, {first} has {rank}")


def check_positive(told: Told) -> None:
    """Operators with a single number that something is divided by: blocks, groups, sizes."""
    _check_positive(told)


def _check_positive(told: Told) -> None:
    for name in _POSITIVE:
        in_range((told.number(name, 1),), name, least=1, most=INT32 - 1)


def check_align(told: Told) -> None:
    """``RoiAlign``."""
    _check_positive(told)
    height, width = told.number("output_height", 1), told.number("output_width", 1)
    in_range((height * width,), "output_height times output_width", least=1, most=told.most_columns)
    in_range((told.number("sampling_ratio", 0),), "sampling_ratio", least=0, most=MAX_SAMPLING)


def check_roi_pool(told: Told) -> None:
    """``MaxRoiPool``."""
    shape = told.few("pooled_shape", 2)
    in_range(shape, "pooled_shape", least=1, most=INT32 - 1)
    if len(shape) not in {0, 2}:
        raise BrokenError(f"pooled_shape has {len(shape)} entries, wanted are 2")


def check_split(told: Told) -> None:
    """``Split``: as many parts as outputs."""
    check_axes(told)
    _check_positive(told)
    if (number := told.number("num_outputs", told.outputs)) != told.outputs:
        raise BrokenError(f"num_outputs is {number}, there are {told.outputs} outputs")
    parts = in_range(told.few("split", told.outputs), "part", least=0, most=2**63 - 1)
    if parts and len(parts) != told.outputs:
        raise BrokenError(f"split has {len(parts)} parts, there are {told.outputs} outputs")


def check_axes(told: Told) -> None:
    """Axes that some tensor can have, from the front or from the back; a permutation is one."""
    most = told.limits.max_dimensions
    in_range((told.number("axis", 0),), "axis", least=-most, most=most)
    in_range(told.few("axes", most), "axis", least=-most, most=most)
    order = told.few("perm", most)
    if sorted(order) != list(range(len(order))):
        raise BrokenError("perm is no permutation")


def check_pads(told: Told) -> None:
    """``Pad`` whose pads are an attribute (before version 11)."""
    most = 2 * told.limits.max_dimensions
    pads = [*told.few("pads", most), *told.few("paddings", most)]
    in_range(pads, "pads", least=-INT32 + 1, most=INT32 - 1)
    if len(pads) % 2:
        raise BrokenError(f"pads has {len(pads)} entries, an odd number")
