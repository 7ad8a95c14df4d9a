"""``mlsign sign``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlsign.cli.commands._signer_options import NOBODY, SignerOptions
from mlsign.cli.commands._signing import say_countersigned, say_identity, say_neighbours
from mlsign.cli.console import progress, put, say
from mlsign.cli.option_groups import with_option_groups
from mlsign.cli.options import Quiet, StoreFolder, Verbose
from mlsign.cli.policy_options import NO_POLICY_SIGNER, PolicySignerOptions

if TYPE_CHECKING:
    from mlsign.actions.policies.load_policy import LoadedPolicy
    from mlsign.actions.policies.verify_policy import PolicyTrust

HELP = """Sign a package. Adds a file under signatures/ and changes nothing else.

Everything is hashed again first; a package that is not what its manifest says is not signed. Nothing is written
that would not verify. Of files of a store (--store) that nobody has touched, the digest is taken that they were
written with.

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


@with_option_groups
def sign_command(
    package: Annotated[Path, typer.Argument(metavar="PACKAGE", help="The package.")],
    signer_options: SignerOptions = NOBODY,
    policy: Annotated[
        Path | None, typer.Option("--policy", "-p", metavar="FILE", help="Check signatures that are there against this policy.")
    ] = None,
    policy_signers: PolicySignerOptions = NO_POLICY_SIGNER,
    countersign: Annotated[
        str | None, typer.Option("--countersign", metavar="BUNDLE", help="Vouch for this signature, and not for the package.")
    ] = None,
    store: StoreFolder = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parses, signs, says what was added."""
    from mlsign.actions.signing.load_signer import open_signer

    request = signer_options.request()
    trusted = policy_signers.trusted(policy)
    loaded = _loaded(policy, signed=trusted)
    if countersign is not None:
        from mlsign.actions.signing.countersign import countersign as vouch

        with open_signer(request) as signer, progress("signing", package) as advance:
            made = vouch(package, signer, bundle=countersign, policy=loaded, store=store, advance=advance)
        say_countersigned(made)
        put(made.bundle)
        return
    from mlsign.actions.signing.sign import Addition, sign
    from mlsign.words import counted

    with open_signer(request) as signer, progress("signing", package) as advance:
        known = None if loaded is None else loaded.root
        tell = partial(say_neighbours, checked=loaded is not None)
        signed = sign(package, signer, known=known, store=store, advance=advance, tell=tell)
    content = f"{counted(signed.files, 'file')}, {signed.digest}"
    if signed.addition is Addition.ADDED:
        say(f"signed {signed.name}: {content}")
    else:
        say(f"{signed.name} already has this signature, nothing added: {content}")
    say_identity(signed.identity)
    put(signed.bundle)


def _loaded(policy: Path | None, *, signed: PolicyTrust | None) -> LoadedPolicy | None:
    if policy is None:
        return None
    from mlsign.actions.policies.load_policy import load_policy

    return load_policy(policy, signed=signed)
