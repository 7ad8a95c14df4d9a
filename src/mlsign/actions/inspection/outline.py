"""Outline: the structure of the model of a package, or of a bare one, read without trusting, judging or running any of it."""

from __future__ import annotations

from pathlib import Path

from mlsign.actions._collector import collector_paused
from mlsign.actions.inspection.looking import NOT_LOOKED_AT, find_manifest, find_model, naming_model
from mlsign.limits import DEFAULT, Limits
from mlsign.onnx.records import ModelRecord
from mlsign.onnx.structure import read_structure
from mlsign.package.read import OpenPackage


def outline(path: Path, *, limits: Limits = DEFAULT) -> ModelRecord:
    """The structure of the model in the ONNX file or the package at ``path``. Weights are never read.

    Raises ``InputError`` when there is no model that can be read, and ``OutsideError``.
    """
    with OpenPackage.open(path, follow=True) as package:
        listing = package.list_files(skip=NOT_LOOKED_AT, limits=limits)
        model_path = find_model(package, find_manifest(package, listing.files, limits=limits), listing)
        with package.open_file(model_path) as source:
            with naming_model(str(path)), collector_paused():
                structure = read_structure(source, limits=limits)
            source.check_unchanged()
            return structure
