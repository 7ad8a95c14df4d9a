"""``mlsign policy sign``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsign.cli.commands._signing import say_identity
from mlsign.cli.console import detail, put, say
from mlsign.cli.options import (
    PasswordFile,
    PinFile,
    Pkcs11Key,
    Pkcs11Module,
    Quiet,
    Verbose,
    ask_password,
    ask_pin,
    read_password,
)
from mlsign.errors import shown

HELP = """Sign a policy: writes FILE.sigstore.json beside it, in place of one that is there.

The signature is over the policy, every policy that it extends, and every key, certificate, revocation list and trust root
that they name by path, as they are now. A change to any of them needs a new signature. Raise the policy's revision with every
change: whoever asks for a signature then takes no older one.

Example:

\b
  mlsign policy sign policy.yaml --key keys/policy.key
  mlsign verify fraud-1.2.0 --policy policy.yaml --policy-key keys/policy.pub
"""


def policy_sign_command(
    policy: Annotated[Path, typer.Argument(metavar="FILE", help="The policy.")],
    key: Annotated[Path | None, typer.Option("--key", metavar="PEM", help="The private key, a PEM file.")] = None,
    password_file: PasswordFile = None,
    pkcs11: Pkcs11Key = None,
    pin_file: PinFile = None,
    pkcs11_module: Pkcs11Module = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", metavar="PEM", help="The certificate of the key, a PEM file.")
    ] = None,
    chain: Annotated[
        list[Path] | None, typer.Option("--chain", metavar="PEM", help="Certificates above that of the signer, in order.")
    ] = None,
    timestamp_url: Annotated[
        str | None, typer.Option("--timestamp-url", metavar="URL", help="An RFC 3161 service that says when this was signed.")
    ] = None,
    keyless: Annotated[bool, typer.Option("--keyless", help="Sign as whoever an identity token names.")] = False,
    identity_token: Annotated[
        str | None, typer.Option("--identity-token", metavar="TOKEN", help="The identity token, or @FILE.")
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Log in elsewhere, with a code to type here.")] = False,
    trust_config: Annotated[
        Path | None, typer.Option("--trust-config", metavar="FILE", help="A ClientTrustConfig: the services to sign with.")
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parses, signs, says what the signature covers."""
    from mlsign.actions.load_keyless import KeylessRequest, Login
    from mlsign.actions.load_signer import SignerRequest, open_signer
    from mlsign.actions.sign_policy import sign_policy
    from mlsign.cli.console import is_interactive
    from mlsign.words import counted

    if not keyless and (identity_token, trust_config) != (None, None):
        raise typer.BadParameter("--identity-token and --trust-config go with --keyless")
    login = (Login.CODE if no_browser else Login.BROWSER) if is_interactive() else Login.NEVER
    request = SignerRequest(
        key=key,
        pkcs11=pkcs11,
        keyless=KeylessRequest(token=identity_token, config=trust_config, login=login) if keyless else None,
        certificate=certificate,
        chain=tuple(chain or ()),
        timestamp_url=timestamp_url,
        module=pkcs11_module,
        pin_file=pin_file,
        ask_password=lambda: (
            ask_password(confirm=False, instead="--password-file FILE") if password_file is None else read_password(password_file)
        ),
        ask_pin=ask_pin,
    )
    with open_signer(request) as signer:
        signed = sign_policy(policy, signer)
    revision = "no revision" if signed.policy.revision is None else f"revision {signed.policy.revision}"
    say(f"signed the policy {shown(signed.policy.name)}, {revision}, and {counted(len(signed.files), 'file')} that it rests on")
    for name in signed.files:
        detail(f"  {shown(name)}")
    say_identity(signed.identity)
    put(str(signed.bundle))
