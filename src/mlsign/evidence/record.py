"""Evidence: everything that was found out about a package before anybody judges it.

Immutable, and complete in itself: a decision over it needs no disk, no network and no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

from mlsign.digest import Algorithm, Digest
from mlsign.evidence.findings import Finding
from mlsign.formats.manifest import Manifest
from mlsign.identity import Identity, Method
from mlsign.onnx.summary import ModelSummary
from mlsign.paths import PackagePath
from mlsign.times import TrustedTime
from mlsign.version import Version

if TYPE_CHECKING:
    from mlsign.formats.golden_run import GoldenRunStatement
    from mlsign.formats.slsa import SlsaStatement
    from mlsign.formats.verification_summary import VerificationSummary


class Standing(Enum):
    """Whether a signature may be counted.

    A stranger's is genuine and over this content, by somebody whom the policy does not name; a countersignature is one over
    another bundle and not over the package, provenance an authentic SLSA statement, about whatever it says; a summary says
    what somebody who verified a package came to, a golden run what somebody who ran one did.
    """

    COUNTED = "counted"
    REJECTED = "rejected"
    STRANGER = "stranger"
    COUNTERSIGNATURE = "countersignature"
    SUMMARY = "summary"
    PROVENANCE = "provenance"
    GOLDEN_RUN = "golden-run"


class ModelPresence(Enum):
    """Whether the package has an ONNX model at all, readable or not. Only a folder without a manifest can have none."""

    PRESENT = "present"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureRecord:
    """One bundle and what became of it.

    ``COUNTED`` means: authentic under the trust roots, about exactly the content of this package, and
    covering everything that is loaded. Anything else is ``REJECTED`` and ``reasons`` (never empty then) say
    why. ``method`` is None for a file that could not be read as a bundle. ``identity`` is only there for authentic
    signatures; ``times`` are trusted ones, earliest first; ``logged`` says that a trusted log has the signature.
    ``digest`` is the sha256 of the bundle file, ``about`` that of the bundle which a countersignature is over;
    ``summary`` is what an authentic verification summary says, of whichever package; ``provenance`` is that of an authentic
    statement, ``golden_run`` of an authentic run; of a ``REJECTED`` one ``claims_provenance`` and ``claims_golden_run`` say that it was
    to be one.
    """

    bundle: str
    method: Method | None
    standing: Standing
    identity: Identity | None
    times: tuple[TrustedTime, ...]
    algorithms: frozenset[Algorithm]
    reasons: tuple[Finding, ...]
    logged: bool = False
    digest: Digest | None = None
    about: Digest | None = None
    summary: VerificationSummary | None = None
    provenance: SlsaStatement | None = None
    claims_provenance: bool = False
    golden_run: GoldenRunStatement | None = None
    claims_golden_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustFacts:
    """The Sigstore trust root that signatures were held against.

    ``source`` names where it is from, ``fetched`` is when its repository last confirmed it and ``expires`` the end of the
    metadata it rests on; None where there is no such time.
    """

    source: str
    digest: Digest
    fetched: datetime | None
    expires: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The newest release of this package that was allowed before, None for none; ``problem`` says why that is not known."""

    version: Version | None
    digest: Digest | None
    problem: Finding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How an output of a model is not what golden test data says."""

    message: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredOutput:
    """One output held against what was expected of it, in so many elements that were ``compared``.

    ``unequal`` of them have no distance and are not the same (integers, labels, a NaN), ``too_far`` are numbers beyond the
    tolerance. The largest errors, ``ulps`` in units in the last place of the output's own element type, are None where nothing was
    measured. ``difference`` is None where all is within the tolerance.
    """

    output: str
    compared: int
    unequal: int = 0
    too_far: int = 0
    absolute: float | None = None
    relative: float | None = None
    ulps: int | None = None
    difference: Difference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedSet:
    """What became of one set of golden test data: how far each output was off.

    ``problem`` says why there is no answer to compare, and is never a pass.
    """

    path: str
    outputs: tuple[MeasuredOutput, ...] = ()
    problem: Finding | None = None

    @property
    def compared(self) -> int:
        """How many elements were held against expected ones. Where there are none, the set shows nothing."""
        return sum(output.compared for output in self.outputs)

    @property
    def passed(self) -> bool:
        """It was run, something was compared, and all of it is within the tolerances."""
        return self.problem is None and not self.different and self.compared > 0

    @property
    def different(self) -> tuple[tuple[str, Difference], ...]:
        """The outputs that are not as they should be, by name."""
        return tuple((output.output, output.difference) for output in self.outputs if output.difference is not None)


class KnownBy(Enum):
    """Who has hashed a file before, so that its bytes are known without reading it.

    Memory that this process has sealed and hashed and that is used in place of the file; or a store that mlsign wrote it to.
    """

    SEALED_MEMORY = "sealed-memory"
    STORE = "store"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadFile:
    """A file of the package that was not read for this decision."""

    path: PackagePath
    size: int
    known_by: KnownBy


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known about one package.

    ``digest`` is the subject digest that signatures are about, None while no readable content gives one;
    ``digests`` are all digests by which this package or a file of it can be named, for revocation.
    ``manifest`` and ``summary`` are decoded from bytes whose digests were compared; None means absent or
    unreadable, and ``findings`` then say which. ``findings`` are of the checks that every package goes
    through (content, manifest, model), whatever the policy says. ``unverified`` are paths in the folder
    that no counted signature covers and nothing is loaded from. ``trust`` is None where no trust root was needed,
    ``seen`` where nobody looked it up. ``manifest_digest`` is the sha256 of the manifest that was decoded. ``replay`` is None where
    the model was not run on its golden test data. ``sealed_since`` is when content was read and hashed that a seal of the kernel keeps
    as it was since; None where all of it was for this decision. ``unread`` are files that were not read because their bytes were known.
    """

    digest: Digest | None
    digests: frozenset[Digest]
    manifest: Manifest | None
    summary: ModelSummary | None
    signatures: tuple[SignatureRecord, ...]
    findings: tuple[Finding, ...]
    unverified: tuple[str, ...]
    model: ModelPresence = ModelPresence.PRESENT
    trust: TrustFacts | None = None
    seen: Seen | None = None
    manifest_digest: Digest | None = None
    replay: tuple[ReplayedSet, ...] | None = None
    sealed_since: datetime | None = None
    unread: tuple[UnreadFile, ...] = ()

    @property
    def counted(self) -> tuple[SignatureRecord, ...]:
        """The signatures that a rule may count."""
        return tuple(s for s in self.signatures if s.standing is Standing.COUNTED)

    @property
    def strangers(self) -> tuple[SignatureRecord, ...]:
        """Genuine signatures over this content that decide nothing: anybody can make one."""
        return tuple(s for s in self.signatures if s.standing is Standing.STRANGER)

    @property
    def countersignatures(self) -> tuple[SignatureRecord, ...]:
        """The authentic countersignatures, over whichever bundles."""
        return tuple(s for s in self.signatures if s.standing is Standing.COUNTERSIGNATURE)

    @property
    def summaries(self) -> tuple[SignatureRecord, ...]:
        """The authentic verification summaries, by whomever and of whichever packages."""
        return tuple(s for s in self.signatures if s.standing is Standing.SUMMARY)

    @property
    def provenance(self) -> tuple[SignatureRecord, ...]:
        """The authentic provenance statements, by whomever and about whatever."""
        return tuple(s for s in self.signatures if s.standing is Standing.PROVENANCE)

    @property
    def golden_runs(self) -> tuple[SignatureRecord, ...]:
        """The authentic golden runs, by whomever and of whichever packages."""
        return tuple(s for s in self.signatures if s.standing is Standing.GOLDEN_RUN)
