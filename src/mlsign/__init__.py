"""mlsign: the signed supply chain for machine-learning models.

The public names; everything is loaded when it is first used, so ``import mlsign`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlsign.actions.admit import AdmittedModel, Denied
    from mlsign.actions.confinement import Confinement
    from mlsign.actions.diff import DiffRequest, diff
    from mlsign.actions.difference import Difference
    from mlsign.actions.gate import Gate
    from mlsign.actions.golden_request import GoldenCheck, GoldenRequest
    from mlsign.actions.inspect import Inspection, inspect
    from mlsign.actions.keygen import KeygenRequest, KeyPair, keygen
    from mlsign.actions.pack import Packed, PackRequest, pack
    from mlsign.actions.pool import WorkerPool
    from mlsign.actions.replay import Replay, ReplayRequest, replay
    from mlsign.actions.score import Scorer
    from mlsign.actions.sign import Signed, load_key, sign
    from mlsign.actions.verify import Report
    from mlsign.errors import InputError, JailError, MlsignError, OutsideError, TrustError
    from mlsign.evidence.findings import Finding, Outcome
    from mlsign.policy.model import Verdict

_HOMES = {
    "AdmittedModel": "actions.admit",
    "Confinement": "actions.confinement",
    "Denied": "actions.admit",
    "DiffRequest": "actions.diff",
    "Difference": "actions.difference",
    "Finding": "evidence.findings",
    "Gate": "actions.gate",
    "GoldenCheck": "actions.golden_request",
    "GoldenRequest": "actions.golden_request",
    "InputError": "errors",
    "Inspection": "actions.inspect",
    "JailError": "errors",
    "KeyPair": "actions.keygen",
    "KeygenRequest": "actions.keygen",
    "MlsignError": "errors",
    "Outcome": "evidence.findings",
    "OutsideError": "errors",
    "PackRequest": "actions.pack",
    "Packed": "actions.pack",
    "Replay": "actions.replay",
    "ReplayRequest": "actions.replay",
    "Report": "actions.verify",
    "Scorer": "actions.score",
    "Signed": "actions.sign",
    "TrustError": "errors",
    "Verdict": "policy.model",
    "WorkerPool": "actions.pool",
    "diff": "actions.diff",
    "inspect": "actions.inspect",
    "keygen": "actions.keygen",
    "load_key": "actions.sign",
    "pack": "actions.pack",
    "replay": "actions.replay",
    "sign": "actions.sign",
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
