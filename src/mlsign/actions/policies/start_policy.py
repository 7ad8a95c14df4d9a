"""Start a policy: text for one package and one signer, which is read back before anybody gets it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mlsign.actions.inspection.inspect import Inspection, inspect
from mlsign.actions.policies.read_policy import load_hazards, load_operator_sets
from mlsign.errors import InputError, MlsignError, OutsideError, shown
from mlsign.formats.bundle import decode_bundle
from mlsign.identity import KeylessIdentity, Method
from mlsign.interface import OperatorId
from mlsign.limits import DEFAULT, Limits
from mlsign.package.read import OpenPackage, read_user_file
from mlsign.package.write import write_new_files
from mlsign.policy.decoding.policy import decode_policy
from mlsign.policy.hazards import WHOLE_DOMAIN
from mlsign.policy.model import Mode
from mlsign.policy.starter import KeyChoice, KeylessChoice, StarterFacts, render_starter
from mlsign.trust.keys import decode_public_key


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """For what and for whom. ``key`` is a public key, and exactly one of it and ``keyless`` is there.

    ``output`` is where the policy will lie, which is what the path of the key is relative to; None is the current folder.
    """

    key: Path | None = None
    keyless: KeylessChoice | None = None
    package: Path | None = None
    name: str | None = None
    mode: Mode = Mode.ENFORCE
    output: Path | None = None
    limits: Limits = DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedPolicy:
    """The text, and the operators of the model that were left out because they do more than compute."""

    text: str
    left_out: tuple[OperatorId, ...]


def start_policy(request: StartRequest) -> StartedPolicy:
    """A policy that can be read, and whose key is one. Nothing is written.

    Raises ``InputError``: ``usage.signer``, those of keys, packages and models, and ``policy.…`` where no sound policy comes of it.
    """
    signers = [choice for choice in (_key_choice(request), request.keyless) if choice is not None]
    if len(signers) != 1:
        raise InputError(
            "needs to know who signs: a key or a keyless identity",
            code="usage.signer",
            hint="give --key FILE, or --keyless-issuer and --keyless-subject",
        )
    inspection = None if request.package is None else inspect(request.package, limits=request.limits)
    if request.key is not None:
        pem, _ = read_user_file(request.key, max_bytes=request.limits.max_key_bytes, what="key")
        decode_public_key(pem, where=str(request.key))
    manifest = None if inspection is None else inspection.manifest
    left_out = () if inspection is None else _hazardous(inspection)
    facts = StarterFacts(
        name=_name(request, inspection),
        signer=signers[0],
        mode=request.mode,
        summary=None if inspection is None else inspection.summary,
        version=None if manifest is None else manifest.version,
        left_out=left_out,
    )
    text = render_starter(facts)
    # What is written must be read: names and subjects are the user's, operators the model's.
    decode_policy(
        text.encode(), name="policy.yaml", operator_sets=load_operator_sets(), hazards=load_hazards(), limits=request.limits
    )
    return StartedPolicy(text=text, left_out=left_out)


def write_policy_file(text: str, path: Path, *, force: bool) -> None:
    """Writes the policy; over one that is there only with ``force``. Raises ``InputError`` (``output.exists``), ``OutsideError``."""
    if not force:
        try:
            write_new_files([(path, text.encode(), 0o644)])
        except InputError as err:
            hint = "choose another name, or give --force to write over it"
            raise InputError("is already there", code=err.code, where=err.where, hint=hint) from err
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    write_new_files([(beside, text.encode(), 0o644)])
    try:
        beside.replace(path)
    except OSError as err:
        beside.unlink(missing_ok=True)
        raise OutsideError(f"cannot be overwritten: {err.strerror}", code="output.unwritable", where=shown(path)) from err


def claimed_identities(package: Path, *, limits: Limits = DEFAULT) -> tuple[KeylessIdentity, ...]:
    """Whom the keyless signatures of a package name. Nothing of it is checked: anybody can make such a file."""
    from mlsign.trust.certificates import load_certificate
    from mlsign.trust.fulcio import keyless_identity

    with OpenPackage.open(package) as opened:
        bundles = opened.read_bundles(limits=limits)
    found: list[KeylessIdentity] = []
    for bundle in bundles:
        try:
            if isinstance(bundle.content, MlsignError):
                continue
            decoded = decode_bundle(bundle.content, limits=limits)
            if decoded.method is Method.KEYLESS:
                found.append(keyless_identity(load_certificate(decoded.material.certificates[0])))
        except MlsignError:
            continue  # what cannot be read names nobody; verify says why
    return tuple(found)


def _name(request: StartRequest, inspection: Inspection | None) -> str:
    if request.name is not None:
        return request.name
    manifest = None if inspection is None else inspection.manifest
    return "policy" if manifest is None else manifest.name


def _folder(request: StartRequest) -> Path:
    return Path() if request.output is None else request.output.parent


def _key_choice(request: StartRequest) -> KeyChoice | None:
    return None if request.key is None else KeyChoice(path=Path(os.path.relpath(request.key, _folder(request))).as_posix())


def _hazardous(inspection: Inspection) -> tuple[OperatorId, ...]:
    hazards = load_hazards()
    used = {use.operator for use in inspection.summary.operators}
    return tuple(sorted(op for op in used if op in hazards or OperatorId(op.domain, WHOLE_DOMAIN) in hazards))
