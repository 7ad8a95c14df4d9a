"""From a package to a model that serves: verified, found to be servable, and with workers that are ready."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from mlsign.actions.policies.load_policies import load_policies
from mlsign.actions.scoring.pool import WorkerPool
from mlsign.actions.verification.admit import AdmittedModel
from mlsign.actions.verification.gate import Gate
from mlsign.digest import sha256
from mlsign.errors import InputError, MlsignError, shown
from mlsign.limits import DEFAULT
from mlsign.package.read import OpenPackage
from mlsign.paths import MANIFEST_NAME, PackagePath
from mlsign.serving.carriage import carried
from mlsign.serving.settings import AdmissionSettings, ServeRequest
from mlsign.serving.shelf import Origin, Served, opening_of
from mlsign.version import Version, decode_version

UNNAMED_VERSION = "0.0.0"
"""Of what others signed without a manifest, where the policy allows that: it says no version of itself."""


def open_gate(settings: AdmissionSettings) -> Gate:
    """The policies as they are now. Raises as ``load_policies``."""
    policies = load_policies(settings.policies, trust_root=settings.trust_root, signed=settings.signed)
    return Gate(*policies, audit=settings.audit, store=settings.store)


def admit_model(path: Path, gate: Gate, *, settings: AdmissionSettings, sharing: Iterable[Served] = ()) -> AdmittedModel:
    """The model of the package, read, hashed and judged now; files that a model in ``sharing`` holds already are shared with it.

    Raises as ``Gate.admit``.
    """
    return gate.admit(path, accept_vsa=settings.accept, sharing=[served.model for served in sharing])


def is_new_release(path: Path, served: Served) -> bool:
    """Whether the manifest is another one than that of the model that serves.

    Decides nothing but whether memory is shared: of the release that serves every file is read, so that one that was changed is noticed.
    """
    try:
        with OpenPackage.open(path) as package, package.open_file(PackagePath(MANIFEST_NAME)) as source:
            return sha256(source.read_all(max_bytes=DEFAULT.max_manifest_bytes)) != served.model.report.evidence.manifest_digest
    except MlsignError:
        return False  # whatever is wrong with it is found, and told, when it is verified


def start_model(model: AdmittedModel, path: Path, *, request: ServeRequest) -> Served:
    """The model with workers that are ready; it belongs to what serves from then on, and is closed here where nothing does.

    Raises ``InputError`` (``serve.uncarried``) for an interface that the protocol cannot carry, ``JailError`` where no worker can be
    started.
    """
    with closing_unless_done(model):
        name, version = name_of(model, path)
        report = model.report
        interface = carried(model.summary.inputs, model.summary.outputs)
        pool = _pool(model, request)
        origin = Origin(
            path=path,
            layers=tuple(layer.name for layer in pool.layers if layer.in_force),
            missing=tuple(layer.name for layer in pool.layers if not layer.in_force),
            digest=digest_of(model),
            policy=report.policy.name,
            policy_digest=str(report.policy.digest),
        )
        opening = opening_of(name, version)
        return Served(name=name, version=version, interface=interface, origin=origin, pool=pool, model=model, opening=opening)


@contextlib.contextmanager
def closing_unless_done(model: AdmittedModel) -> Iterator[None]:
    """Gives the memory of a model back where the block raises."""
    try:
        yield
    except BaseException:
        model.close()
        raise


def _pool(model: AdmittedModel, request: ServeRequest) -> WorkerPool:
    confinement, waiting = request.admission.confinement, request.max_waiting
    if request.workers is None:
        return WorkerPool(model, max_waiting=waiting, confinement=confinement)
    return WorkerPool(model, workers=request.workers, max_waiting=waiting, confinement=confinement)


def name_of(model: AdmittedModel, path: Path) -> tuple[str, Version]:
    """What the manifest calls it, or the folder where the policy asks for none. Raises ``InputError`` (``serve.unnamed``)."""
    manifest = model.report.evidence.manifest
    if manifest is not None:
        return manifest.name, manifest.version
    name = path.resolve().stem
    if not name:
        raise InputError(
            "has neither a manifest nor a name", code="serve.unnamed", where=shown(path), hint="pack it with mlsign pack"
        )
    return name, decode_version(UNNAMED_VERSION)


def digest_of(model: AdmittedModel) -> str:
    """The digest that signatures of the package are about."""
    digest = model.report.evidence.digest
    return "" if digest is None else str(digest)
