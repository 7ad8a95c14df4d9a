"""The command-line protocol of the Sigstore conformance suite, over the code that ``mlsign verify`` runs.

    python client.py verify-bundle --bundle F --certificate-identity I --certificate-oidc-issuer O
        [--trusted-root R | --staging] [--key K] FILE_OR_DIGEST

Exits with 0 when the bundle is a good one over that file by that identity, and with 1 when it is not.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from mlsign.digest import Digest, decode_digest, sha256
from mlsign.errors import MlsignError, TrustError
from mlsign.formats.bundle import Bundle, decode_sigstore_bundle
from mlsign.formats.trusted_root import TrustedRoot, decode_trusted_root
from mlsign.identity import KeylessIdentity
from mlsign.roots.load import load_trust_data
from mlsign.trust.authenticate import Signer, authenticate_envelope, authenticate_file
from mlsign.trust.keys import decode_public_key
from mlsign.trust.root import TrustRoot


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    try:
        verify_bundle(options)
    except (MlsignError, OSError) as err:
        print(f"refused: {err} ({getattr(err, 'code', 'os')})", file=sys.stderr)
        return 1
    return 0


def verify_bundle(options: argparse.Namespace) -> None:
    """Returns when the bundle is good; raises ``MlsignError`` when it is not."""
    root = TrustRoot(
        keys=() if options.key is None else (decode_public_key(Path(options.key).read_bytes(), where=options.key),),
        sigstore=_trusted_root(options),
    )
    bundle = decode_sigstore_bundle(Path(options.bundle).read_bytes())
    if options.key is not None:
        # The key is given by hand, whatever the bundle calls it: hints are those of OMS only in OMS bundles.
        bundle = replace(bundle, key_hint="")
    content = _content(options.content)
    now = datetime.now(UTC)
    if isinstance(bundle, Bundle):
        signer, payload = authenticate_envelope(bundle, root=root, now=now)
        _check_subject(payload, content if isinstance(content, Digest) else sha256(content))
    else:
        signer = authenticate_file(bundle, content, root=root, now=now)
    if options.key is None:
        _check_identity(signer, subject=options.certificate_identity, issuer=options.certificate_oidc_issuer)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("verify-bundle")
    verb.add_argument("--bundle", required=True)
    verb.add_argument("--certificate-identity")
    verb.add_argument("--certificate-oidc-issuer")
    verb.add_argument("--trusted-root")
    verb.add_argument("--key")
    verb.add_argument("--staging", action="store_true")
    verb.add_argument("content", metavar="FILE_OR_DIGEST")
    return parser.parse_args(arguments)


def _trusted_root(options: argparse.Namespace) -> TrustedRoot:
    if options.trusted_root is not None:
        return decode_trusted_root(Path(options.trusted_root).read_bytes())
    return decode_trusted_root(load_trust_data(instance="staging" if options.staging else "public-good").content)


def _content(text: str) -> bytes | Digest:
    return decode_digest(text) if text.startswith("sha256:") and not Path(text).exists() else Path(text).read_bytes()


def _check_subject(payload: bytes, digest: Digest) -> None:
    subjects = json.loads(payload).get("subject", [])
    if not any(subject.get("digest", {}).get("sha256") == digest.hex for subject in subjects):
        raise TrustError("the statement is not about this file", code="signature.content", found=str(digest))


def _check_identity(signer: Signer, *, subject: str | None, issuer: str | None) -> None:
    identity = signer.identity
    if not isinstance(identity, KeylessIdentity) or (identity.subject, identity.issuer) != (subject, issuer):
        raise TrustError(
            "is signed by somebody else", code="signature.identity", expected=f"{subject} by {issuer}", found=identity.unique
        )


if __name__ == "__main__":
    sys.exit(main())
