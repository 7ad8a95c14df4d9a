"""``mlsign keygen``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsign.cli.console import put, say
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
from mlsign.signers.key_types import KeyType, note_on

HELP = """Make a signing key: NAME.key (private, mode 0600, encrypted) and NAME.pub (for policies).

With --pkcs11 no key is made: the public half of one in hardware is written, for policies.

--type ml-dsa-65 is experimental: such a key withstands quantum computers, and no other verifier
can read its signatures yet. Sign with a classical key as well.

Example:

\b
  mlsign keygen -o keys/release
"""


def keygen_command(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="NAME", help="Where to write, without the ending.")] = Path(
        "mlsign"
    ),
    kind: Annotated[KeyType, typer.Option("--type", help="The elliptic curve, or ML-DSA-65 (experimental).")] = KeyType.P256,
    password_file: PasswordFile = None,
    no_password: Annotated[bool, typer.Option("--no-password", help="Leave the private key unencrypted.")] = False,
    pkcs11: Pkcs11Key = None,
    pin_file: PinFile = None,
    pkcs11_module: Pkcs11Module = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parses, asks for a password, makes the key; or writes the public half of one in hardware."""
    from mlsign.actions.signing.keygen import KeygenRequest, keygen, write_public_key

    if pkcs11 is not None:
        from mlsign.actions.signing.load_pkcs11 import load_pkcs11

        with load_pkcs11(pkcs11, module=pkcs11_module, ask_pin=ask_pin, pin_file=pin_file) as token:
            path, public = write_public_key(output, token.public), token.public
        say(f"public key:  {path}  ({public.identity.kind}, {public.identity.spki}); the private one stays where it is")
        put(str(path))
        return
    if pin_file is not None or pkcs11_module is not None:
        raise typer.BadParameter("--pin-file and --pkcs11-module go with --pkcs11")
    if password_file is not None and no_password:
        raise typer.BadParameter("--password-file and --no-password exclude each other")
    password: bytes | None = None
    if password_file is not None:
        password = read_password(password_file)
    elif not no_password:
        password = ask_password(confirm=True, instead="--password-file FILE, or --no-password to leave the key unencrypted")
    pair = keygen(output, KeygenRequest(kind=kind, password=password))
    say(f"private key: {pair.private_path}" + ("" if password else "  (not encrypted: whoever reads this file can sign as you)"))
    say(f"public key:  {pair.public_path}  ({pair.public.identity.kind}, {pair.public.identity.spki})")
    if note := note_on(pair.public.identity.kind):
        say(note)
    say("next: name the public key in a policy, and sign with the private one")
    put(str(pair.public_path))
