"""From a method and a path to what is asked for: the few routes that there are, each in one spelling."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote_to_bytes

from mlsign.errors import InputError, shown


class Kind(Enum):
    """What is asked for."""

    LIVE = "live"
    READY = "ready"
    SERVER = "server"
    METRICS = "metrics"
    INDEX = "index"
    MODEL = "model"
    MODEL_READY = "model_ready"
    INFER = "infer"


OPEN: Final = frozenset({Kind.LIVE, Kind.READY})
"""What nobody needs a token for: the machinery that starts and stops servers has none, and nothing of a model is told."""

_FIXED: Final = MappingProxyType(
    {
        b"/v2": ("GET", Kind.SERVER),
        b"/v2/": ("GET", Kind.SERVER),
        b"/v2/health/live": ("GET", Kind.LIVE),
        b"/v2/health/ready": ("GET", Kind.READY),
        b"/v2/repository/index": ("POST", Kind.INDEX),
        b"/metrics": ("GET", Kind.METRICS),
    }
)
_ENDINGS: Final = MappingProxyType(
    {b"": ("GET", Kind.MODEL), b"ready": ("GET", Kind.MODEL_READY), b"infer": ("POST", Kind.INFER)}
)
_MODELS: Final = b"/v2/models/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What is asked for, and of which model."""

    kind: Kind
    model: str = ""
    version: str | None = None


@lru_cache(maxsize=1024)
def decode_route(method: str, path: bytes) -> Route:
    """The route of a request; ``path`` as it came, percent signs and all. Raises ``InputError`` (``serve.path``, ``serve.method``)."""
    fixed = _FIXED.get(path)
    if fixed is not None:
        _check_method(method, fixed[0])
        return Route(kind=fixed[1])
    if not path.startswith(_MODELS):
        raise _no_such(path)
    name, *rest = path[len(_MODELS) :].split(b"/")
    version = None
    if rest[:1] == [b"versions"]:
        if len(rest) < 2:
            raise _no_such(path)
        version, rest = _segment(rest[1], path), rest[2:]
    ending = _ENDINGS.get(rest[0] if rest else b"") if len(rest) < 2 else None
    if ending is None or rest == [b""]:
        raise _no_such(path)
    _check_method(method, ending[0])
    return Route(kind=ending[1], model=_segment(name, path), version=version)


def _segment(raw: bytes, path: bytes) -> str:
    try:
        text = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError as err:
        raise _no_such(path) from err
    if not text:
        raise _no_such(path)
    return text


def _no_such(path: bytes) -> InputError:
    where = shown(path.decode("latin-1"))
    return InputError(f"there is nothing at {where}", code="serve.path", hint="the server is at /v2, and its models are below")


def _check_method(method: str, wanted: str) -> None:
    if method != wanted:
        raise InputError(
            f"is asked for by {wanted}, not by {shown(method)}", code="serve.method", expected=wanted, found=shown(method)
        )
