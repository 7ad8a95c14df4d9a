"""What a server is asked to be. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mlsign.actions.audit.append_audit import AuditLog
from mlsign.actions.policies.verify_policy import PolicyTrust
from mlsign.actions.scoring.confinement import Confinement
from mlsign.limits import MIB
from mlsign.serving.journal import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionSettings:
    """Which policies decide, who must have signed them, and what else verifying takes; as for ``mlsign score``."""

    policies: tuple[Path, ...]
    signed: PolicyTrust | None = None
    trust_root: Path | None = None
    accept: tuple[str, ...] = ()
    audit: AuditLog | None = None
    confinement: Confinement = Confinement.REQUIRED
    store: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenSettings:
    """Where to listen, and how. ``insecure`` allows other addresses than loopback without a certificate and tokens."""

    host: str = "127.0.0.1"
    port: int = 8080
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    token_file: Path | None = None
    insecure: bool = False
    max_connections: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeRequest:
    """A server for the packages at ``paths``.

    ``workers`` is for each model, None for one on each core. ``seconds`` is the longest that a call may take, from the body to the
    answer, ``body_seconds`` the longest that a body may take to come. ``watch_seconds`` is how often packages are looked at, None for
    never. After a signal to end, the server says for ``delay_seconds`` that it is not ready and answers all the same; from then on it
    takes no more, and has ``grace_seconds`` for what it has taken.
    """

    paths: tuple[Path, ...]
    admission: AdmissionSettings
    listen: ListenSettings = field(default_factory=ListenSettings)
    workers: int | None = None
    max_waiting: int = 64
    max_body: int = 64 * MIB
    max_requests: int = 256
    seconds: float = 30.0
    body_seconds: float = 30.0
    watch_seconds: float | None = None
    delay_seconds: float = 0.0
    grace_seconds: float = 30.0
    level: Level = Level.INFO
