"""A keyless signer: which instance of Sigstore, and whose identity token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlsign.errors import InputError
from mlsign.limits import DEFAULT, KIB, Limits
from mlsign.package.read import read_user_file
from mlsign.roots.embedded import PUBLIC_GOOD
from mlsign.strict import decode_json, encode_json

if TYPE_CHECKING:
    from mlsign.signers.keyless import KeylessSigner

MAX_TOKEN_BYTES: Final = 64 * KIB
_MEDIA_TYPE: Final = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"


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

    config, root = read_config(_config(request))
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
    data, _ = read_user_file(Path(text[1:]), max_bytes=min(MAX_TOKEN_BYTES, limits.max_key_bytes), what="identity token")
    return data.decode("ascii", errors="replace").strip()


def _fetch(request: KeylessRequest, url: str) -> None:
    from mlsign.actions.trust_update import UpdateRequest, update_trust

    if request.instance == PUBLIC_GOOD:
        raise InputError(
            "a repository of one's own needs a name to be kept under",
            code="usage.trust_name",
            where="--tuf-url",
            hint="give --trust-name NAME; with it, --tuf-url and --tuf-root are needed once",
        )
    update_trust(UpdateRequest(name=request.instance, url=url, tuf_root=request.tuf_root), now=datetime.now(UTC))


def _config(request: KeylessRequest) -> bytes:
    from mlsign.roots.load import load_signing_config, load_trust_data, read_root_file

    if request.config is not None:
        return read_root_file(request.config)
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
