"""``mlsign sign``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsign.cli.commands._signing import say_countersigned, say_identity, say_neighbours
from mlsign.cli.console import progress, put, say
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

HELP = """Sign a package. Adds a file under signatures/ and changes nothing else.

Everything is hashed again first; a package that is not what its manifest says is not signed. Nothing is written
that would not verify.

By a key file, a key in hardware (PKCS #11), either with a certificate, or keyless: for whoever an identity
token names, with a certificate of minutes and an entry in a public log. A signature by an ML-DSA key is
experimental: no other verifier can read it yet.

Example:

\b
  mlsign sign fraud-1.2.0 --key keys/release.key
  mlsign sign fraud-1.2.0 --keyless
  mlsign sign fraud-1.2.0 --key acme.key --certificate acme.pem --chain ca.pem --timestamp-url URL
  mlsign sign fraud-1.2.0 --pkcs11 'pkcs11:token=release;object=signing'
"""
_CERTIFICATES = "Certificates above that of the signer, PEM files in the order of issue."
_TOKEN = "The identity token, or @FILE. Else the CI system is asked for one, else a person in a browser."  # noqa: S105


def sign_command(
    package: Annotated[Path, typer.Argument(metavar="PACKAGE", help="The package.")],
    key: Annotated[Path | None, typer.Option("--key", metavar="PEM", help="The private key, a PEM file.")] = None,
    password_file: PasswordFile = None,
    pkcs11: Pkcs11Key = None,
    pin_file: PinFile = None,
    pkcs11_module: Pkcs11Module = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", metavar="PEM", help="The certificate of the key, a PEM file.")
    ] = None,
    chain: Annotated[list[Path] | None, typer.Option("--chain", metavar="PEM", help=_CERTIFICATES)] = None,
    timestamp_url: Annotated[
        str | None, typer.Option("--timestamp-url", metavar="URL", help="An RFC 3161 service that says when this was signed.")
    ] = None,
    keyless: Annotated[bool, typer.Option("--keyless", help="Sign as whoever an identity token names.")] = False,
    identity_token: Annotated[str | None, typer.Option("--identity-token", metavar="TOKEN", help=_TOKEN)] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Log in elsewhere, with a code to type here.")] = False,
    trust_config: Annotated[
        Path | None, typer.Option("--trust-config", metavar="FILE", help="A ClientTrustConfig: the services to sign with.")
    ] = None,
    trust_name: Annotated[
        str, typer.Option("--trust-name", metavar="NAME", help="Else the services of this root of mlsign trust.")
    ] = "public-good",
    tuf_url: Annotated[
        str | None, typer.Option("--tuf-url", metavar="URL", help="Fetch that root first, from this TUF repository.")
    ] = None,
    tuf_root: Annotated[
        Path | None, typer.Option("--tuf-root", metavar="FILE", help="The first root of that repository.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", "-p", metavar="FILE", help="Check signatures that are there against this policy.")
    ] = None,
    countersign: Annotated[
        str | None, typer.Option("--countersign", metavar="BUNDLE", help="Vouch for this signature, and not for the package.")
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parses, signs, says what was added."""
    from mlsign.actions.countersign import countersign as vouch
    from mlsign.actions.load_keyless import KeylessRequest, Login
    from mlsign.actions.load_policy import load_policy
    from mlsign.actions.load_signer import SignerRequest, open_signer
    from mlsign.actions.sign import Addition, sign
    from mlsign.cli.console import is_interactive
    from mlsign.words import counted

    if not keyless and (identity_token, trust_config, tuf_url, tuf_root) != (None, None, None, None):
        raise typer.BadParameter("--identity-token, --trust-config, --tuf-url and --tuf-root go with --keyless")
    login = (Login.CODE if no_browser else Login.BROWSER) if is_interactive() else Login.NEVER
    request = SignerRequest(
        key=key,
        pkcs11=pkcs11,
        keyless=KeylessRequest(
            token=identity_token, config=trust_config, instance=trust_name, tuf_url=tuf_url, tuf_root=tuf_root, login=login
        )
        if keyless
        else None,
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
    loaded = None if policy is None else load_policy(policy)
    if countersign is not None:
        with open_signer(request) as signer, progress("signing", package) as advance:
            made = vouch(package, signer, bundle=countersign, policy=loaded, advance=advance)
        say_countersigned(made)
        put(made.bundle)
        return
    with open_signer(request) as signer, progress("signing", package) as advance:
        signed = sign(package, signer, known=None if loaded is None else loaded.root, advance=advance, tell=say_neighbours)
    content = f"{counted(signed.files, 'file')}, {signed.digest}"
    if signed.addition is Addition.ADDED:
        say(f"signed {signed.name}: {content}")
    else:
        say(f"{signed.name} already has this signature, nothing added: {content}")
    say_identity(signed.identity)
    put(signed.bundle)
