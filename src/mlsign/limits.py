"""Every cap that stands between hostile input and this machine's memory and time.

Each number is checked before it sizes a read, a loop or an allocation. Defaults are far above honest
models (the largest public ones have some hundred thousand nodes) and far below what hurts on two cores
and 24 GiB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

MIN_STORED_BYTES: Final = MIB
"""Smaller files are in no store: hashing and copying them costs less than asking for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps on bytes, counts and depths of everything that mlsign reads."""

    # the package folder
    max_files: int = 200_000
    max_path_bytes: int = 1024
    max_path_depth: int = 32
    max_file_bytes: int = 1024 * GIB
    max_package_bytes: int = 4096 * GIB
    max_unvouched_bytes: int = GIB
    max_unsized_bytes: int = 8 * GIB

    # documents held in memory whole
    max_manifest_bytes: int = 64 * MIB
    max_bundle_bytes: int = 64 * MIB
    max_bundles: int = 1024
    max_bundles_bytes: int = 256 * MIB
    max_bundle_values: int = 4096
    max_key_trials: int = 16_384
    max_policy_bytes: int = MIB
    max_key_bytes: int = 64 * KIB
    max_json_depth: int = 64
    max_json_values: int = 4_000_000
    max_json_integer_digits: int = 19

    # the ONNX model
    max_model_bytes: int = 1024 * GIB
    max_nodes: int = 2_000_000
    max_edges: int = 16_000_000
    max_graphs: int = 200_000
    max_functions: int = 100_000
    max_expanded_nodes: int = 10_000_000
    max_graph_depth: int = 32
    max_type_depth: int = 16
    max_tensors: int = 2_000_000
    max_sparse_elements: int = 2**31
    max_sparse_indices: int = 16_000_000
    max_attributes: int = 8_000_000
    max_numbers: int = 16_000_000
    max_text_bytes: int = 64 * MIB
    max_dimensions: int = 32
    max_fields: int = 32_000_000
    max_name_bytes: int = 64 * KIB
    max_skeleton_bytes: int = 2 * GIB

    # what a run of it may take, computed before it runs
    open_dimension: int = 8
    max_evaluations: int = 200_000

    # what a person feeds to the scorer
    max_input_bytes: int = 2 * GIB
    max_output_bytes: int = 2 * GIB

    # golden test data that is replayed, of all sets together
    max_golden_bytes: int = 256 * MIB


DEFAULT: Final = Limits()
