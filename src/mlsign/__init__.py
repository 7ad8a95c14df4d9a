"""mlsign: the signed supply chain for machine-learning models.

The public names; everything is loaded when it is first used, so ``import mlsign`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlsign.actions.comparison.diff import DiffRequest, diff
    from mlsign.actions.comparison.difference import Difference
    from mlsign.actions.golden.replay import Replay, ReplayRequest, replay
    from mlsign.actions.golden.request import GoldenCheck, GoldenRequest
    from mlsign.actions.inspection.inspect import Inspection, inspect
    from mlsign.actions.packing.pack import Packed, PackRequest, pack
    from mlsign.actions.scoring.confinement import Confinement
    from mlsign.actions.scoring.pool import WorkerPool
    from mlsign.actions.scoring.score import Scorer
    from mlsign.actions.signing.keygen import KeygenRequest, KeyPair, keygen
    from mlsign.actions.signing.sign import Signed, load_key, sign
    from mlsign.actions.verification.admit import AdmittedModel, Denied
    from mlsign.actions.verification.gate import Gate
    from mlsign.actions.verification.verify import Report
    from mlsign.errors import InputError, JailError, MlsignError, OutsideError, TrustError
    from mlsign.evidence.findings import Finding, Outcome
    from mlsign.policy.model import Verdict

_HOMES = {
    "AdmittedModel": "actions.verification.admit",
    "Confinement": "actions.scoring.confinement",
    "Denied": "actions.verification.admit",
    "DiffRequest": "actions.comparison.diff",
    "Difference": "actions.comparison.difference",
    "Finding": "evidence.findings",
    "Gate": "actions.verification.gate",
    "GoldenCheck": "actions.golden.request",
    "GoldenRequest": "actions.golden.request",
    "InputError": "errors",
    "Inspection": "actions.inspection.inspect",
    "JailError": "errors",
    "KeyPair": "actions.signing.keygen",
    "KeygenRequest": "actions.signing.keygen",
    "MlsignError": "errors",
    "Outcome": "evidence.findings",
    "OutsideError": "errors",
    "PackRequest": "actions.packing.pack",
    "Packed": "actions.packing.pack",
    "Replay": "actions.golden.replay",
    "ReplayRequest": "actions.golden.replay",
    "Report": "actions.verification.verify",
    "Scorer": "actions.scoring.score",
    "Signed": "actions.signing.sign",
    "TrustError": "errors",
    "Verdict": "policy.model",
    "WorkerPool": "actions.scoring.pool",
    "diff": "actions.comparison.diff",
    "inspect": "actions.inspection.inspect",
    "keygen": "actions.signing.keygen",
    "load_key": "actions.signing.sign",
    "pack": "actions.packing.pack",
    "replay": "actions.golden.replay",
    "sign": "actions.signing.sign",
}

__all__ = [
    "AdmittedModel",
    "Confinement",
    "Denied",
    "DiffRequest",
    "Difference",
    "Finding",
    "Gate",
    "GoldenCheck",
    "GoldenRequest",
    "InputError",
    "Inspection",
    "JailError",
    "KeyPair",
    "KeygenRequest",
    "MlsignError",
    "Outcome",
    "OutsideError",
    "PackRequest",
    "Packed",
    "Replay",
    "ReplayRequest",
    "Report",
    "Scorer",
    "Signed",
    "TrustError",
    "Verdict",
    "WorkerPool",
    "diff",
    "inspect",
    "keygen",
    "load_key",
    "pack",
    "replay",
    "sign",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'mlsign' has no attribute {name!r}")
    value = getattr(import_module(f"mlsign.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
