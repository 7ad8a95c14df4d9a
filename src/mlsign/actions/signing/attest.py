"""Attest: a signed SLSA provenance statement about a package as it lies there, beside its signatures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mlsign.actions.signing.adding import add_bundle
from mlsign.actions.signing.sign import checked_manifest, package_statement
from mlsign.actions.verification.examine import examine_to_vouch
from mlsign.actions.verification.known import opened_store
from mlsign.errors import naming, shown
from mlsign.formats.predicate_types import MAX_PROVENANCE_BYTES
from mlsign.formats.slsa import SlsaProvenance, decode_slsa_predicate, decode_slsa_statement, encode_slsa_statement
from mlsign.identity import Identity
from mlsign.limits import DEFAULT, Limits
from mlsign.package.read import OpenPackage, read_user_file
from mlsign.package.stream import Advance
from mlsign.signers.protocol import Signer
from mlsign.trust.authenticate import authenticate_statement


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestedBundle:
    """A provenance statement in place: which file, by whom, about what, and what it says."""

    bundle: str
    identity: Identity
    name: str
    digest: str
    provenance: SlsaProvenance


def attest(
    path: Path,
    signer: Signer,
    *,
    provenance: Path,
    advance: Advance | None = None,
    now: datetime | None = None,
    store: Path | None = None,
    limits: Limits = DEFAULT,
) -> AttestedBundle:
    """Adds a bundle that says the SLSA predicate in the file ``provenance`` of this package.

    It is no signature of the package. Raises ``InputError`` (``slsa.…``, ``json.…``) for a predicate that nobody could read,
    and as ``sign`` does.
    """
    data, _ = read_user_file(provenance, max_bytes=MAX_PROVENANCE_BYTES, what="provenance")
    with naming(shown(provenance)):
        found = decode_slsa_predicate(data, limits=limits)
    # The package stays open to the end: its name may lead elsewhere by the time that a signature is there.
    with OpenPackage.open(path) as package:
        # 1. Look at what lies there, trusting nobody; what is not what its manifest says was built by nobody.
        with opened_store(store) as opened:
            examination = examine_to_vouch(package, now=now or datetime.now(UTC), limits=limits, store=opened, advance=advance)
        about = package_statement(checked_manifest(path, examination), examination)
        # 2. What is to be signed follows from the files and the predicate alone.
        with naming(shown(provenance)):
            payload = encode_slsa_statement(data, name=about.subject_name, digest=about.subject_digest, limits=limits)
        # 3. No key is used and no service asked for a bundle that would make the package unverifiable.
        package.check_room(limits=limits)
        bundle = signer.sign(payload)
        # 4. What would not be accepted is not written.
        proof = authenticate_statement(
            bundle, decode_slsa_statement, root=signer.trust, now=now or datetime.now(UTC), limits=limits
        )
        name = add_bundle(package, bundle, files=examination.contents.files, limits=limits)
    return AttestedBundle(
        bundle=name,
        identity=proof.identity,
        name=about.subject_name,
        digest=str(about.subject_digest),
        provenance=found,
    )
