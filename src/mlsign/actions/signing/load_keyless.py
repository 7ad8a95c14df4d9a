"""A keyless signer: which instance of Sigstore, and whose identity token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlsign.errors import InputError, naming, shown
from mlsign.limits import DEFAULT, KIB, Limits
from mlsign.package.read import read_user_file
from mlsign.roots.embedded import PUBLIC_GOOD
from mlsign.strict import decode_json, encode_json

if TYPE_CHECKING:
    from mlsign.signers.keyless import KeylessSigner

MAX_TOKEN_BYTES: Final = 64 * KIB
_MEDIA_TYPE: Final = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
_WANTED: Final = "give a ClientTrustConfig, which has a trust root and a signing configuration in it"


class Login(Enum):
    """How a person proves who they are where no token is given and the environment has none."""

    BROWSER = "browser"
    CODE = "code"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeylessRequest:
    """``token`` is an identity token, or ``@FILE``; ``config`` a ClientTrustConfig; else the root kept as ``instance``.

    With ``tuf_url`` that root is fetched first; ``tuf_root`` is the first root of the repository.
    """

    token: str | None = None
    config: Path | None = None
    instance: str = PUBLIC_GOOD
    tuf_url: str | None = None
    tuf_root: Path | None = None
    login: Login = Login.BROWSER
    limits: Limits = DEFAULT


def load_keyless(request: KeylessRequest) -> KeylessSigner:
    """The signer. Raises ``InputError`` for a configuration that cannot be used, ``OutsideError`` (``token.…``)."""
    from mlsign.signers.keyless import KeylessSigner, ambient_token, given_token, interactive_token, read_config

    data = _config(request)
    source = shown(request.config) if request.config is not None else f"configuration of {request.instance}"
    with naming(source, hint=_WANTED if request.config is not None else ""):
        config, root = read_config(data)
    token = given_token(_token(request.token, limits=request.limits)) if request.token is not None else ambient_token()
    if token is None and request.login is Login.NEVER:
        raise InputError(
            "there is no identity token and nobody to ask",
            code="token.missing",
            where="--identity-token",
            hint="give --identity-token TOKEN or @FILE, or run where the environment hands out tokens",
        )
    if token is None:
        token = interactive_token(config, out_of_band=request.login is Login.CODE)
    return KeylessSigner(token, config, root)


def _token(text: str, *, limits: Limits) -> str:
    """The token itself, from the argument or, so that no list of processes shows it, from a file."""
    if not text.startswith("@"):
        return text
    allowed = min(MAX_TOKEN_BYTES, limits.max_key_bytes)
    data, _ = read_user_file(Path(text[1:]), max_bytes=allowed, what="identity token", secret=True)
    return data.decode("ascii", errors="replace").strip()


def _fetch(request: KeylessRequest, url: str) -> None:
    from mlsign.actions.trust.trust_update import UpdateRequest, update_trust

    if request.instance == PUBLIC_GOOD:
        raise InputError(
            "a repository of one's own needs a name to be kept under",
            code="usage.trust_name",
            where="--tuf-url",
            hint="give --trust-name NAME; with it, --tuf-url and --tuf-root are needed once",
        )
    update_trust(UpdateRequest(name=request.instance, url=url, tuf_root=request.tuf_root), now=datetime.now(UTC))


def _check_client(content: bytes, *, where: str, limits: Limits) -> None:
    """Nothing, for what says that it is a client configuration. The trust root inside one is often taken for it."""
    with naming(where, hint=_WANTED):
        value = decode_json(content, max_bytes=len(content), limits=limits)
    kind = value.get("mediaType") if isinstance(value, dict) else None
    if kind != _MEDIA_TYPE:
        given = kind if isinstance(kind, str) else ""
        raise InputError(
            "is a trust root, which names nobody to sign with" if "trustedroot" in given else "is no client configuration",
            code="keyless.config",
            where=where,
            expected=f"mediaType {_MEDIA_TYPE}",
            found=shown(given),
            hint=_WANTED,
        )


def _config(request: KeylessRequest) -> bytes:
    from mlsign.roots.load import load_signing_config, load_trust_data, read_root_file

    if request.config is not None:
        content = read_root_file(request.config)
        _check_client(content, where=shown(request.config), limits=request.limits)
        return content
    if request.tuf_url is not None:
        _fetch(request, request.tuf_url)
    data = load_trust_data(instance=request.instance, limits=request.limits)
    signing = load_signing_config(instance=request.instance, limits=request.limits)
    if signing is None:
        raise InputError(
            f"the trust root of {request.instance} says nothing of services to sign with",
            code="keyless.config",
            where=request.instance,
            hint="give --trust-config FILE, or fetch the root with mlsign trust update",
        )
    return encode_json(
        {
            "mediaType": _MEDIA_TYPE,
            "trustedRoot": decode_json(data.content, max_bytes=len(data.content)),
            "signingConfig": decode_json(signing, max_bytes=len(signing)),
        }
    )
