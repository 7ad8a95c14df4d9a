"""``mlsign attest``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsign.cli.commands._signer_options import (
    Certificate,
    Chain,
    IdentityToken,
    Keyless,
    NoBrowser,
    PrivateKey,
    TimestampUrl,
    TrustConfig,
    TrustName,
    TufRoot,
    TufUrl,
    keyless_request,
    signer_request,
)
from mlsign.cli.commands._signing import say_identity
from mlsign.cli.console import progress, put, say
from mlsign.cli.options import PasswordFile, PinFile, Pkcs11Key, Pkcs11Module, Quiet, Verbose

HELP = """Sign a statement about how a package was built. Adds a file under signatures/ and changes nothing else.

The statement is SLSA provenance v1: FILE holds its predicate as JSON, with buildDefinition and runDetails. It is no
signature of the package, and counts only where a policy asks for it (provenance.attested) and names who may attest.

Example:

\b
  mlsign attest fraud-1.2.0 --provenance slsa.json --key keys/builder.key
  mlsign attest fraud-1.2.0 --provenance slsa.json --keyless
"""


def attest_command(
    package: Annotated[Path, typer.Argument(metavar="PACKAGE", help="The package.")],
    provenance: Annotated[Path, typer.Option("--provenance", metavar="FILE", help="The SLSA v1 predicate, a JSON file.")],
    key: PrivateKey = None,
    password_file: PasswordFile = None,
    pkcs11: Pkcs11Key = None,
    pin_file: PinFile = None,
    pkcs11_module: Pkcs11Module = None,
    certificate: Certificate = None,
    chain: Chain = None,
    timestamp_url: TimestampUrl = None,
    keyless: Keyless = False,
    identity_token: IdentityToken = None,
    no_browser: NoBrowser = False,
    trust_config: TrustConfig = None,
    trust_name: TrustName = "public-good",
    tuf_url: TufUrl = None,
    tuf_root: TufRoot = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parses, attests, says what was added."""
    from mlsign.actions.attest import attest
    from mlsign.actions.load_signer import open_signer
    from mlsign.errors import shown

    request = signer_request(
        key=key,
        password_file=password_file,
        pkcs11=pkcs11,
        pin_file=pin_file,
        module=pkcs11_module,
        certificate=certificate,
        chain=chain,
        timestamp_url=timestamp_url,
        keyless=keyless_request(
            keyless=keyless,
            token=identity_token,
            no_browser=no_browser,
            config=trust_config,
            instance=trust_name,
            tuf_url=tuf_url,
            tuf_root=tuf_root,
        ),
    )
    with open_signer(request) as signer, progress("attesting", package) as advance:
        made = attest(package, signer, provenance=provenance, advance=advance)
    say(f"attested {shown(made.name)}: built by {shown(made.provenance.builder)}, {made.digest}")
    say_identity(made.identity)
    put(made.bundle)
