"""``mlsign sign``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsign.cli.console import progress, put, say
from mlsign.cli.options import PasswordFile, Quiet, Verbose, ask_password, read_password

HELP = """Sign a package with a private key. Adds a file under signatures/ and changes nothing else.

Everything is hashed again first; a package that is not what its manifest says is not signed.

A signature by an ML-DSA key is experimental: no other verifier can read it yet.

Example:

\b
  mlsign sign fraud-1.2.0 --key keys/release.key
"""


def sign_command(
    package: Annotated[Path, typer.Argument(metavar="PACKAGE", help="The package.")],
    key: Annotated[Path, typer.Option("--key", metavar="PEM", help="The private key, a PEM file.")],
    password_file: PasswordFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parses, signs, says what was added."""
    from mlsign.actions.sign import Addition, load_key, sign
    from mlsign.signers.key_types import note_on
    from mlsign.words import counted

    def password() -> bytes:
        if password_file is not None:
            return read_password(password_file)
        return ask_password(confirm=False, instead="--password-file FILE")

    signer = load_key(key, ask_password=password)
    with progress("signing", package) as advance:
        signed = sign(package, signer, advance=advance)
    content = f"{counted(signed.files, 'file')}, {signed.digest}"
    if signed.addition is Addition.ADDED:
        say(f"signed {signed.name}: {content}")
    else:
        say(f"{signed.name} already has this signature, nothing added: {content}")
    others = f"; {counted(len(signed.others), 'other signature')} beside it" if signed.others else ""
    say(f"by {signer.identity.kind} key {signer.identity.spki}{others}")
    if note := note_on(signer.identity.kind):
        say(note)
    put(signed.bundle)
