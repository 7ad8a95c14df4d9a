"""The options that say who signs, shared by every command that signs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlsign.cli.options import ask_password, ask_pin, read_password

if TYPE_CHECKING:
    from mlsign.actions.load_keyless import KeylessRequest
    from mlsign.actions.load_signer import SignerRequest

_CERTIFICATES = "Certificates above that of the signer, PEM files in the order of issue."
_TOKEN = "The identity token, or @FILE. Else the CI system is asked for one, else a person in a browser."  # noqa: S105

PrivateKey = Annotated[Path | None, typer.Option("--key", metavar="PEM", help="The private key, a PEM file.")]
Certificate = Annotated[Path | None, typer.Option("--certificate", metavar="PEM", help="The certificate of the key, a PEM file.")]
Chain = Annotated[list[Path] | None, typer.Option("--chain", metavar="PEM", help=_CERTIFICATES)]
TimestampUrl = Annotated[
    str | None, typer.Option("--timestamp-url", metavar="URL", help="An RFC 3161 service that says when this was signed.")
]
Keyless = Annotated[bool, typer.Option("--keyless", help="Sign as whoever an identity token names.")]
IdentityToken = Annotated[str | None, typer.Option("--identity-token", metavar="TOKEN", help=_TOKEN)]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Log in elsewhere, with a code to type here.")]
TrustConfig = Annotated[
    Path | None, typer.Option("--trust-config", metavar="FILE", help="A ClientTrustConfig: the services to sign with.")
]
TrustName = Annotated[str, typer.Option("--trust-name", metavar="NAME", help="Else the services of this root of mlsign trust.")]
TufUrl = Annotated[str | None, typer.Option("--tuf-url", metavar="URL", help="Fetch that root first, from this TUF repository.")]
TufRoot = Annotated[Path | None, typer.Option("--tuf-root", metavar="FILE", help="The first root of that repository.")]


def keyless_request(
    *,
    keyless: bool,
    token: str | None,
    no_browser: bool,
    config: Path | None,
    instance: str,
    tuf_url: str | None,
    tuf_root: Path | None,
) -> KeylessRequest | None:
    """What the options say of keyless signing, None where nobody asked for it."""
    from mlsign.actions.load_keyless import KeylessRequest, Login
    from mlsign.cli.console import is_interactive

    if not keyless:
        if (token, config, tuf_url, tuf_root) != (None, None, None, None):
            raise typer.BadParameter("--identity-token, --trust-config, --tuf-url and --tuf-root go with --keyless")
        return None
    login = (Login.CODE if no_browser else Login.BROWSER) if is_interactive() else Login.NEVER
    return KeylessRequest(token=token, config=config, instance=instance, tuf_url=tuf_url, tuf_root=tuf_root, login=login)


def signer_request(
    *,
    key: Path | None,
    password_file: Path | None,
    pkcs11: str | None,
    pin_file: Path | None,
    module: Path | None,
    certificate: Path | None,
    chain: list[Path] | None,
    timestamp_url: str | None,
    keyless: KeylessRequest | None,
) -> SignerRequest:
    """Who signs, and how to ask for what that takes."""
    from mlsign.actions.load_signer import SignerRequest

    return SignerRequest(
        key=key,
        pkcs11=pkcs11,
        keyless=keyless,
        certificate=certificate,
        chain=tuple(chain or ()),
        timestamp_url=timestamp_url,
        module=module,
        pin_file=pin_file,
        ask_password=lambda: (
            ask_password(confirm=False, instead="--password-file FILE") if password_file is None else read_password(password_file)
        ),
        ask_pin=ask_pin,
    )
