"""The words of a policy and of a decision: what a package must be, and what was decided about one.

Everything here is bound: keys are identities, not paths, and operator sets are operators, not names.
Reading a policy from text is ``decode``; judging is ``decide``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeAlias

from mlsign.digest import Algorithm, Digest
from mlsign.evidence.findings import Finding
from mlsign.evidence.record import SignatureRecord
from mlsign.formats.statement import ACCEPTED_FORMATS, StatementFormat
from mlsign.identity import Identity
from mlsign.interface import ONNX_DOMAIN, OperatorId
from mlsign.limits import GIB, Limits
from mlsign.paths import PackagePath
from mlsign.policy.condition import Condition
from mlsign.policy.exemption import Excepted, Exemption
from mlsign.policy.freshness import Freshness
from mlsign.policy.golden import GoldenSettings
from mlsign.policy.lineage import Lineage
from mlsign.policy.match import EVERY_PACKAGE, Match, Rival
from mlsign.policy.provenance import ProvenanceSettings
from mlsign.policy.requirements import KeyRequirement, Requirement, whoever_meets
from mlsign.policy.summaries import SummarySettings
from mlsign.version import Version

STANDARD_DOMAINS: Final = frozenset({ONNX_DOMAIN, "ai.onnx.ml"})
"""The domains whose operators the ONNX specification defines; every other domain is a custom one."""


class ManifestMode(Enum):
    """Whether a package without ``mlsign.json`` can be allowed at all."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class Mode(Enum):
    """What follows from a denial. The verdict itself is the same in both."""

    ENFORCE = "enforce"
    AUDIT = "audit"


class CustomDomains(Enum):
    """Whether ``operators.allow`` may name a custom domain as a whole, or only its operators one by one."""

    ALLOW = "allow"
    DENY = "deny"


class ExternalData(Enum):
    """Whether weights may lie in files beside the model (inside the package; outside is never possible)."""

    PACKAGED = "packaged"
    DENY = "deny"


class Presence(Enum):
    """Whether there must be an ONNX model to inspect. ``OPTIONAL`` is for folders of other formats that others signed."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class Rollback(Enum):
    """Whether a release may be older than one that was allowed before."""

    DENY = "deny"
    ALLOW = "allow"


class Hashing(Enum):
    """Whether every file is hashed for each decision, or once, by a store that notices when one is touched."""

    ALWAYS = "always"
    ONCE = "once"


class Isolation(Enum):
    """How much of the sandbox must be in force: all of it, or whatever this kernel and container give."""

    FULL = "full"
    AVAILABLE = "available"


class Unbounded(Enum):
    """What follows where a bound of a run cannot be read off the model. With ``ALLOW`` the sandbox is what stops it."""

    DENY = "deny"
    ALLOW = "allow"


class Hazard(Enum):
    """What an operator can do besides computing. The words are those of ``policies/operators/properties.json``."""

    READS_FILES = "reads_files"
    RUNS_CODE = "runs_code"
    HOLDS_COMPILED_PROGRAM = "holds_compiled_program"
    REACHES_NETWORK = "reaches_network"
    USES_ADDRESS = "uses_address"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerGroup:
    """At least ``require`` distinct identities out of ``any`` must have signed.

    With ``countersigns``, what they must have signed is a bundle by somebody else that counts for the group of that name.
    """

    name: str
    require: int
    any: tuple[Requirement, ...]
    countersigns: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSettings:
    """Which operators a model may contain. What ``deny`` or ``denied_domains`` names is denied whatever allows it.

    ``hazards`` are operators that do more than compute; one named ``*`` stands for its whole domain. Only ``allow`` by
    name lets one in, not the allowance of a domain.
    """

    allow: frozenset[OperatorId]
    allowed_domains: frozenset[str] = frozenset()
    deny: frozenset[OperatorId] = frozenset()
    denied_domains: frozenset[str] = frozenset()
    custom_domains: CustomDomains = CustomDomains.DENY
    hazards: MappingProxyType[OperatorId, frozenset[Hazard]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRange:
    """Versions of an operator set from ``minimum`` to ``maximum``, both included; ``text`` as in the policy."""

    text: str
    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Caps on what one run of a model takes, as far as that can be read off the model before it runs.

    ``max_bytes`` are of values alive at once, beyond inputs and weights; ``max_steps`` operators run, turns of loops
    counted; ``max_operations`` steps of arithmetic. Dimensions that the model leaves open are taken to be
    ``open_dimension``.
    """

    max_bytes: int = 2 * GIB
    max_steps: int = 1_000_000
    max_operations: int = 10**13
    open_dimension: int = 8
    unknown_sizes: Unbounded = Unbounded.DENY
    unknown_turns: Unbounded = Unbounded.DENY


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Caps on the model itself. None is no cap beyond ``Limits``; sizes in bytes.

    ``limits`` are names of ``Limits`` and tighter numbers for them: what reading the model may cost.
    """

    presence: Presence = Presence.REQUIRED
    opset: MappingProxyType[str, VersionRange] = field(default_factory=lambda: MappingProxyType({}))
    max_nodes: int | None = None
    max_parameter_bytes: int | None = None
    external_data: ExternalData = ExternalData.PACKAGED
    run: RunSettings = field(default_factory=RunSettings)
    limits: MappingProxyType[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def tightened(self, limits: Limits) -> Limits:
        """``limits`` with those of the policy where they are lower: a policy never gives a reader more than the program does."""
        lower = {name: min(value, getattr(limits, name)) for name, value in self.limits.items()}
        return replace(limits, **lower, open_dimension=self.run.open_dimension)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedPackage:
    """The package with this subject digest, or any package that contains a file with it."""

    digest: Digest
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedFile:
    """Any package that contains this file. ``digests`` are of the one file, by different algorithms."""

    digests: tuple[Digest, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedRelease:
    """The release of that name and version, or every release of that name."""

    name: str
    version: Version | None
    reason: str


Revocation: TypeAlias = RevokedPackage | RevokedFile | RevokedRelease


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """What the scoring worker gets: address space in bytes, processor and wall-clock time in seconds for one call."""

    memory_bytes: int = 2 * GIB
    cpu_seconds: float = 10.0
    wall_seconds: float = 15.0
    threads: int = 2
    isolation: Isolation = Isolation.AVAILABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a package must be to be allowed. ``digest`` is the sha256 of the bytes it was decoded from, or of its chain's.

    ``unsigned_files`` are paths that a folder signed by others may carry although no signature covers them:
    they are listed as unverified and never loaded. A signature over a statement in none of ``formats`` does not count.
    ``rivals`` are the other policies that were given, none of which may be for the same package.
    """

    name: str
    description: str
    digest: Digest
    manifest: ManifestMode
    signers: tuple[SignerGroup, ...]
    digests: frozenset[Algorithm]
    operators: OperatorSettings
    model: ModelSettings
    minimum_version: Version | None
    revoked: tuple[Revocation, ...]
    mode: Mode
    sandbox: SandboxSettings
    unsigned_files: tuple[PackagePath, ...]
    freshness: Freshness = field(default_factory=Freshness)
    rollback: Rollback = Rollback.ALLOW
    formats: frozenset[StatementFormat] = ACCEPTED_FORMATS
    vsa: SummarySettings | None = None
    expires: datetime | None = None
    revision: int | None = None
    lineage: Lineage = field(default_factory=Lineage)
    exceptions: tuple[Exemption, ...] = ()
    rules: tuple[Condition, ...] = ()
    match: Match = EVERY_PACKAGE
    rivals: tuple[Rival, ...] = ()
    provenance: ProvenanceSettings = field(default_factory=ProvenanceSettings)
    golden: GoldenSettings = field(default_factory=GoldenSettings)
    hashing: Hashing = Hashing.ALWAYS

    @property
    def names(self) -> Callable[[Identity], bool]:
        """Whether a group that signs packages asks for somebody like this."""
        return whoever_meets(self.package_signers)

    def names_summarizer(self, identity: Identity) -> bool:
        """Whether a verification summary by somebody like this may be accepted: the policy says so, and the caller asked."""
        return self.vsa is not None and self.vsa.names(identity)

    @property
    def package_signers(self) -> tuple[Requirement, ...]:
        """Whom the groups ask for that sign packages; a countersigner says nothing about content."""
        return tuple(requirement for group in self.signers if not group.countersigns for requirement in group.any)

    @property
    def asked(self) -> tuple[Requirement, ...]:
        """Everybody whom the policy asks for: who signs, countersigns, verifies for others, or attests to a build or a run."""
        signers = (requirement for group in self.signers for requirement in group.any)
        summarizers = () if self.vsa is None else self.vsa.accept
        attesters = () if self.provenance.attested is None else self.provenance.attested.signed_by
        return (*signers, *summarizers, *attesters, *self.golden.run_by)

    @property
    def needs_trust_root(self) -> bool:
        """Whether a Sigstore trust root decides anything; a policy of keys alone does without."""
        return self.freshness.needs_times or any(not isinstance(requirement, KeyRequirement) for requirement in self.asked)


class Verdict(Enum):
    """The answer. Match on ``ALLOW``; whatever else it may be is a refusal. Not a truth value on purpose."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupResult:
    """A group of signers that was met, and the signatures that met it: one for each distinct identity."""

    name: str
    require: int
    signatures: tuple[SignatureRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a policy makes of the evidence.

    ``verdict`` is the judgement and never depends on ``mode``, which is that of the policy where it is for the package
    and not past its end.
    ``findings`` are all of them, sorted, each once, but for those that exceptions cover: these are in ``excepted``. ``met`` are the
    groups of signers that were met. ``summary`` is the verification summary that stood in for signatures, None where none was
    needed or accepted.
    """

    verdict: Verdict
    mode: Mode
    findings: tuple[Finding, ...]
    met: tuple[GroupResult, ...]
    summary: SignatureRecord | None = None
    excepted: tuple[Excepted, ...] = ()

    @property
    def enforced_verdict(self) -> Verdict:
        """What the caller has to act on: in audit mode nothing is stopped, and ``verdict`` says what would have been."""
        return Verdict.ALLOW if self.mode is Mode.AUDIT else self.verdict
