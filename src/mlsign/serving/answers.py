"""What goes back to a client: a status, headers and a body, for results and for every error by its code.

Pure. Error bodies are ``{"error": …}`` and nothing else, as the protocol has them; the code stands in a header beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from mlsign.errors import InputError, JailError, MlsignError, OutsideError, TrustError
from mlsign.serving.tensors import Buffer, EncodedOutput

Headers = tuple[tuple[bytes, bytes], ...]

RETRY_SECONDS: Final = b"1"
_JSON: Final = (b"content-type", b"application/json")
_BINARY: Final = (b"content-type", b"application/octet-stream")
_FAMILIES: Final[tuple[tuple[type[MlsignError], int], ...]] = (
    (InputError, 400),
    (TrustError, 401),
    (OutsideError, 503),
    (JailError, 500),
)

STATUS: Final = MappingProxyType(
    {
        "serve.origin": 403,
        "serve.path": 404,
        "serve.model": 404,
        "serve.method": 405,
        "serve.body.slow": 408,
        "serve.body.size": 413,
        "json.size": 413,
        "serve.encoding": 415,
        "serve.header": 400,
        # What the model makes of these inputs: they are readable, it has no answer to them, and will have none the next time.
        "sandbox.model.run": 422,
        "sandbox.output.size": 422,
        # The time that a call is granted by the policy, by the server or by the client.
        "sandbox.deadline": 504,
        "sandbox.cpu": 504,
        "sandbox.pool.deadline": 504,
        "serve.timeout": 504,
        # Nobody had a look at the request: it may be sent again.
        "sandbox.pool.full": 503,
        "sandbox.pool.unavailable": 503,
        "sandbox.pool.closed": 503,
        "sandbox.busy": 503,
    }
)
"""The status of an error by its code; others have that of their family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response. ``code`` is that of the error, empty where there is none; ``chunks`` are sent one after the other."""

    status: int
    headers: Headers
    chunks: tuple[Buffer, ...]
    code: str = ""
    close: bool = False

    @property
    def length(self) -> int:
        return sum(map(len, self.chunks))


def answer_json(value: object, *, status: int = 200) -> Answer:
    """A JSON document."""
    return Answer(status=status, headers=(_JSON,), chunks=(_dumps(value),))


def answer_text(data: bytes, *, content_type: str) -> Answer:
    """A text in a format of others."""
    return Answer(status=200, headers=((b"content-type", content_type.encode("ascii")),), chunks=(data,))


def answer_error(err: MlsignError, *, close: bool = False) -> Answer:
    """The response to an error that was raised on purpose."""
    status = STATUS.get(err.code) or next(number for family, number in _FAMILIES if isinstance(err, family))
    message = f"{err}; {err.hint}" if err.hint else str(err)
    headers: Headers = (_JSON, (b"mlsign-error-code", err.code.encode("ascii")))
    if status == 401:
        headers += ((b"www-authenticate", b'Bearer realm="mlsign"'),)
    if status == 405:
        headers += ((b"allow", err.expected.encode("ascii")),)
    if status == 503:
        headers += ((b"retry-after", RETRY_SECONDS),)
    return Answer(status=status, headers=headers, chunks=(_dumps({"error": message}),), code=err.code, close=close)


def answer_defect() -> Answer:
    """The response where the server itself went wrong: it says so, and nothing of how."""
    message = "this is a defect of the server, not of the request"
    return Answer(
        status=500,
        headers=(_JSON, (b"mlsign-error-code", b"serve.defect")),
        chunks=(_dumps({"error": message}),),
        code="serve.defect",
        close=True,
    )


def answer_inference(outputs: Iterable[EncodedOutput], *, opening: str, identifier: str | None) -> Answer:
    """The response of an inference. ``opening`` is ``"model_name": …, "model_version": …``, which each model has ready."""
    described: list[str] = []
    raw: list[Buffer] = []
    for each in outputs:
        described.append(_output(each))
        if each.raw is not None:
            raw.append(each.raw)
    named = "" if identifier is None else f'"id":{json.dumps(identifier)},'
    head = f'{{{opening},{named}"outputs":[{",".join(described)}]}}'.encode("ascii")
    if not raw:
        return Answer(status=200, headers=(_JSON,), chunks=(head,))
    headers = (_BINARY, (b"inference-header-content-length", b"%d" % len(head)))
    return Answer(status=200, headers=headers, chunks=(head, *raw))


def _output(each: EncodedOutput) -> str:
    shape = ",".join(map(str, each.shape))
    start = f'{{"name":{_quoted(each.name)},"datatype":"{each.datatype}","shape":[{shape}]'
    parameters: Mapping[str, Any] = each.parameters
    if each.raw is None:
        told = f',"parameters":{json.dumps(parameters)}' if parameters else ""
        return f'{start}{told},"data":{json.dumps(each.data)}}}'
    size = len(each.raw)
    if not parameters:
        return f'{start},"parameters":{{"binary_data_size":{size}}}}}'
    return f'{start},"parameters":{json.dumps({**parameters, "binary_data_size": size})}}}'


@lru_cache(maxsize=1024)
def _quoted(name: str) -> str:
    """A name of an output, which are those of the models that serve."""
    return json.dumps(name)


def _dumps(value: object) -> bytes:
    # ASCII: what a client sent may stand in here, and no terminal that shows it shall obey it.
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode("ascii")
