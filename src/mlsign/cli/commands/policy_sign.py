"""``mlsign policy sign``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsign.cli.commands._signer_options import NOBODY, SignerOptions
from mlsign.cli.commands._signing import say_identity
from mlsign.cli.console import detail, put, say
from mlsign.cli.option_groups import with_option_groups
from mlsign.cli.options import Quiet, Verbose
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


@with_option_groups
def policy_sign_command(
    policy: Annotated[Path, typer.Argument(metavar="FILE", help="The policy.")],
    signer_options: SignerOptions = NOBODY,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parses, signs, says what the signature covers."""
    from mlsign.actions.policies.sign_policy import sign_policy
    from mlsign.actions.signing.load_signer import open_signer
    from mlsign.words import counted

    request = signer_options.request()
    with open_signer(request) as signer:
        signed = sign_policy(policy, signer)
    revision = "no revision" if signed.policy.revision is None else f"revision {signed.policy.revision}"
    say(f"signed the policy {shown(signed.policy.name)}, {revision}, and {counted(len(signed.files), 'file')} that it rests on")
    for name in signed.files:
        detail(f"  {shown(name)}")
    say_identity(signed.identity)
    put(str(signed.bundle))
