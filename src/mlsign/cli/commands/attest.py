"""``mlsign attest``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsign.cli.commands._signer_options import NOBODY, SignerOptions
from mlsign.cli.commands._signing import say_identity
from mlsign.cli.console import progress, put, say
from mlsign.cli.option_groups import with_option_groups
from mlsign.cli.options import Quiet, StoreFolder, Verbose

HELP = """Sign a statement about how a package was built. Adds a file under signatures/ and changes nothing else.

The statement is SLSA provenance v1: FILE holds its predicate as JSON, with buildDefinition and runDetails. It is no
signature of the package, and counts only where a policy asks for it (provenance.attested) and names who may attest.

Example:

\b
  mlsign attest fraud-1.2.0 --provenance slsa.json --key keys/builder.key
  mlsign attest fraud-1.2.0 --provenance slsa.json --keyless
"""


@with_option_groups
def attest_command(
    package: Annotated[Path, typer.Argument(metavar="PACKAGE", help="The package.")],
    provenance: Annotated[Path, typer.Option("--provenance", metavar="FILE", help="The SLSA v1 predicate, a JSON file.")],
    signer_options: SignerOptions = NOBODY,
    store: StoreFolder = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parses, attests, says what was added."""
    from mlsign.actions.signing.attest import attest
    from mlsign.actions.signing.load_signer import open_signer
    from mlsign.errors import shown

    request = signer_options.request()
    with open_signer(request) as signer, progress("attesting", package) as advance:
        made = attest(package, signer, provenance=provenance, store=store, advance=advance)
    say(f"attested {shown(made.name)}: built by {shown(made.provenance.builder)}, {made.digest}")
    say_identity(made.identity)
    put(made.bundle)
