"""What serves and what takes its place: packages are verified before they serve, and again whenever something may have changed.

A package that fails never replaces one that serves. What serves is withdrawn in one case only: a policy that was read again denies
the very bytes of it. Everything here waits for disks and workers, and is called from one thread at a time that is not the event loop's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from mlsign.actions.verification.admit import AdmittedModel, Denied
from mlsign.actions.verification.gate import Gate
from mlsign.errors import InputError, JailError, MlsignError, OutsideError, TrustError, shown
from mlsign.evidence.findings import Outcome
from mlsign.serving.fingerprint import fingerprint
from mlsign.serving.journal import Journal
from mlsign.serving.loading import (
    admit_model,
    closing_unless_done,
    digest_of,
    is_new_release,
    name_of,
    open_gate,
    start_model,
)
from mlsign.serving.metrics import Metrics
from mlsign.serving.settings import ServeRequest
from mlsign.serving.shelf import Served, Shelf


class Cause(Enum):
    """Why a package is looked at."""

    START = "start"
    CHANGE = "change"
    SIGNAL = "signal"


@dataclass(slots=True)
class _Place:
    """A path that was asked for: what serves from it, and how it looked when it was verified and when it was last looked at."""

    path: Path
    served: Served | None = None
    verified: str | None = None
    seen: str | None = None


class Custodian:
    """Keeps the shelf. ``start`` first, ``close`` last."""

    def __init__(self, request: ServeRequest, *, shelf: Shelf, metrics: Metrics, journal: Journal) -> None:
        self._request = request
        self._shelf = shelf
        self._metrics = metrics
        self._journal = journal
        self._places = tuple(_Place(path) for path in request.paths)
        self._gate: Gate | None = None

    def start(self) -> None:
        """Everything that was asked for serves. Raises for the first that cannot, and nothing does."""
        try:
            self._gate = open_gate(self._request.admission)
            self._metrics.policies_loaded("loaded")
            for place in self._places:
                self._put(place, self._gate, cause=Cause.START)
        except BaseException:
            self.close()
            raise

    def look(self) -> None:
        """Packages that have changed, and then kept still for one look, are verified and take the place of what serves if they may."""
        self._try_all([place for place in self._places if self._is_due(place)], cause=Cause.CHANGE)

    @staticmethod
    def _is_due(place: _Place) -> bool:
        now = fingerprint(place.path)
        settled, place.seen = now == place.seen, now
        return now != place.verified and settled

    def renew(self) -> None:
        """Policies are read again, and every package is verified under them; policies that cannot be read change nothing."""
        try:
            self._gate = open_gate(self._request.admission)
        except MlsignError as err:
            self._metrics.policies_loaded("refused")
            self._journal.error(
                "policy.refused", code=err.code, message=shown(str(err)), hint=err.hint, serving="the policies before it"
            )
        else:
            self._metrics.policies_loaded("loaded")
            self._journal.info("policy.loaded", policies=[str(path) for path in self._request.admission.policies])
        self._try_all(self._places, cause=Cause.SIGNAL)

    def _try_all(self, places: Iterable[_Place], *, cause: Cause) -> None:
        """Every package is looked at: a defect that one of them shows keeps no other from being withdrawn, and is raised after that."""
        defects: list[Exception] = []
        for place in places:
            try:
                self._try(place, cause=cause)
            except Exception as err:  # noqa: BLE001 - raised below
                place.verified = None  # as for a fault: the next look tries again
                defects.append(err)
        if defects:
            raise defects[0]

    def _try(self, place: _Place, *, cause: Cause) -> None:
        gate = self._gate
        if gate is None:
            return
        try:
            self._put(place, gate, cause=cause)
        except Denied as err:
            self._refuse(place, err, outcome="denied", cause=cause)
            self._withdraw_if_same(place, err, cause=cause)
        except (InputError, TrustError) as err:
            self._refuse(place, err, outcome="refused", cause=cause)
        except (OutsideError, JailError) as err:
            place.verified = None  # nothing is known of the package: the next look tries again
            self._refuse(place, err, outcome="failed", cause=cause)

    def _put(self, place: _Place, gate: Gate, *, cause: Cause) -> None:
        """The package at this place serves, in place of what did. Raises where it may not, or cannot."""
        # 1. How it looks, before a byte is read: what changes from here on is seen by the next look.
        place.verified = place.seen = fingerprint(place.path)
        # 2. Verified: read, hashed and judged now, into memory that stays as it is. Files of a new release that serve already are not read.
        old = place.served
        sharing = self._shelf.models if old is None or is_new_release(place.path, old) else ()
        model = admit_model(place.path, gate, settings=self._request.admission, sharing=sharing)
        if old is not None and self._is_same(model, old):
            model.close()
            self._tell(place, model, outcome="unchanged", cause=cause)
            return
        # 3. It is what this place is for, and no other place serves it.
        with closing_unless_done(model):
            self._check_place(model, place)
        # 4. Workers are ready before anybody is sent to them.
        served = start_model(model, place.path, request=self._request)
        try:
            self._shelf.put(served, instead_of=old)
        except InputError:
            served.close()
            raise
        # 5. From here on it serves. What was taken before is finished where it was begun.
        place.served = served
        self._tell(place, model, outcome="allowed", cause=cause)
        self._tell_loaded(served, model, replaces=old)
        if old is not None:
            self._retire(old)

    @staticmethod
    def _is_same(model: AdmittedModel, old: Served) -> bool:
        return digest_of(model) == old.origin.digest != "" and str(model.report.policy.digest) == old.origin.policy_digest

    def _check_place(self, model: AdmittedModel, place: _Place) -> None:
        """Raises ``InputError`` (``serve.renamed``): another model, however well signed, is not a new release of this one."""
        name, _ = name_of(model, place.path)
        if place.served is not None and name != place.served.name:
            raise InputError(
                f"the package is {shown(name)} now, and {shown(place.served.name)} serves from this place",
                code="serve.renamed",
                where=shown(place.path),
                expected=place.served.name,
                found=shown(name),
                hint="start a server for it, or put the package somewhere else",
            )

    def _withdraw_if_same(self, place: _Place, err: Denied, *, cause: Cause) -> None:
        """Revoked while it serves: with the policy of today these bytes would not have been let in."""
        old, digest = place.served, err.report.evidence.digest
        if cause is not Cause.SIGNAL or old is None or digest is None or str(digest) != old.origin.digest:
            return
        if str(err.report.policy.digest) == old.origin.policy_digest:
            return  # the same policy: what has changed is what lies beside the content, such as signatures
        self._shelf.take(old)
        place.served = None
        self._journal.error(
            "model.withdrawn", model=old.name, version=str(old.version), digest=old.origin.digest, policy=err.report.policy.name
        )
        self._retire(old)

    def _refuse(self, place: _Place, err: MlsignError, *, outcome: str, cause: Cause) -> None:
        self._metrics.verified(str(place.path), outcome, refused=True)
        reasons: list[str] = []
        if isinstance(err, Denied):
            reasons = sorted({f.code for f in err.report.decision.findings if f.outcome is not Outcome.PASS})
        self._journal.error(
            "package.refused",
            package=str(place.path),
            cause=cause.value,
            outcome=outcome,
            code=err.code,
            findings=reasons,
            message=shown(str(err), limit=600),
            serving=None if place.served is None else f"{place.served.name} {place.served.version}",
        )

    def _tell(self, place: _Place, model: AdmittedModel, *, outcome: str, cause: Cause) -> None:
        self._metrics.verified(str(place.path), outcome, refused=False)
        shared = sum(file.size for file in model.report.evidence.unread)
        self._journal.info("package.verified", package=str(place.path), cause=cause.value, outcome=outcome, bytes_not_read=shared)

    def _tell_loaded(self, served: Served, model: AdmittedModel, *, replaces: Served | None) -> None:
        decision, policy = model.report.decision, model.report.policy
        self._journal.info(
            "model.loaded",
            model=served.name,
            version=str(served.version),
            digest=served.origin.digest,
            policy=policy.name,
            policy_digest=served.origin.policy_digest,
            mode=policy.mode.value,
            exceptions=len(decision.excepted),
            loosened=len(policy.lineage.loosened),
            confined_by=list(served.origin.layers),
            not_in_force=list(served.origin.missing),
            replaces=None if replaces is None else str(replaces.version),
        )

    def _retire(self, old: Served) -> None:
        old.close(self._request.grace_seconds)
        self._journal.info("model.retired", model=old.name, version=str(old.version), digest=old.origin.digest)

    def close(self) -> None:
        """No model serves any more, and all workers are gone."""
        for place in self._places:
            if place.served is not None:
                self._shelf.take(place.served)
                place.served.close()
                place.served = None
