"""The options that say who signs, shared by every command that signs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mlsign.cli.options import PasswordFile, PinFile, Pkcs11Key, Pkcs11Module, ask_password, ask_pin, read_password

if TYPE_CHECKING:
    from mlsign.actions.signing.load_keyless import KeylessRequest
    from mlsign.actions.signing.load_signer import SignerRequest

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


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerOptions:
    """What was said of who signs: a field is an option, in the order of ``--help``."""

    key: PrivateKey = None
    password_file: PasswordFile = None
    pkcs11: Pkcs11Key = None
    pin_file: PinFile = None
    pkcs11_module: Pkcs11Module = None
    certificate: Certificate = None
    chain: Chain = None
    timestamp_url: TimestampUrl = None
    keyless: Keyless = False
    identity_token: IdentityToken = None
    no_browser: NoBrowser = False
    trust_config: TrustConfig = None
    trust_name: TrustName = "public-good"
    tuf_url: TufUrl = None
    tuf_root: TufRoot = None

    @property
    def are_given(self) -> bool:
        """Whether anything was said of who signs, or how."""
        return self != NOBODY

    @property
    def files(self) -> tuple[Path | None, ...]:
        """What is read by these options, None for each that names no file."""
        named = (
            self.key,
            self.password_file,
            self.pin_file,
            self.pkcs11_module,
            self.certificate,
            self.trust_config,
            self.tuf_root,
        )
        token = self.identity_token
        return (*named, *(self.chain or ()), Path(token[1:]) if token is not None and token.startswith("@") else None)

    def request(self) -> SignerRequest:
        """Who signs, and how to ask for what that takes."""
        from mlsign.actions.signing.load_signer import SignerRequest

        return SignerRequest(
            key=self.key,
            pkcs11=self.pkcs11,
            keyless=self._keyless(),
            certificate=self.certificate,
            chain=tuple(self.chain or ()),
            timestamp_url=self.timestamp_url,
            module=self.pkcs11_module,
            pin_file=self.pin_file,
            ask_password=self._password,
            ask_pin=ask_pin,
        )

    def _keyless(self) -> KeylessRequest | None:
        """What the options say of keyless signing, None where nobody asked for it."""
        if not self.keyless:
            if (self.identity_token, self.trust_config, self.tuf_url, self.tuf_root) != (None, None, None, None):
                raise typer.BadParameter("--identity-token, --trust-config, --tuf-url and --tuf-root go with --keyless")
            return None
        from mlsign.actions.signing.load_keyless import KeylessRequest, Login
        from mlsign.cli.console import is_interactive

        login = (Login.CODE if self.no_browser else Login.BROWSER) if is_interactive() else Login.NEVER
        return KeylessRequest(
            token=self.identity_token,
            config=self.trust_config,
            instance=self.trust_name,
            tuf_url=self.tuf_url,
            tuf_root=self.tuf_root,
            login=login,
        )

    def _password(self) -> bytes:
        if self.password_file is None:
            return ask_password(confirm=False, instead="--password-file FILE")
        return read_password(self.password_file)


NOBODY: Final = SignerOptions()
