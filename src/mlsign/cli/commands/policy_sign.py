"""``mlsign policy sign``."""

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
from mlsign.cli.console import detail, put, say
from mlsign.cli.options import PasswordFile, PinFile, Pkcs11Key, Pkcs11Module, Quiet, Verbose
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
    """Parses, signs, says what the signature covers."""
    from mlsign.actions.load_signer import open_signer
    from mlsign.actions.sign_policy import sign_policy
    from mlsign.words import counted

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
    with open_signer(request) as signer:
        signed = sign_policy(policy, signer)
    revision = "no revision" if signed.policy.revision is None else f"revision {signed.policy.revision}"
    say(f"signed the policy {shown(signed.policy.name)}, {revision}, and {counted(len(signed.files), 'file')} that it rests on")
    for name in signed.files:
        detail(f"  {shown(name)}")
    say_identity(signed.identity)
    put(str(signed.bundle))
