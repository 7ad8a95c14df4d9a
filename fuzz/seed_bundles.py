"""Makes keyless seeds for the target ``bundle``, and the trust root they are held against, with the local Sigstore of the tests.

    python fuzz/seed_bundles.py

The keys of that Sigstore are thrown away, so nothing can become authentic but what is signed here. Run it when the format of
bundles changes; ``SIGNED_PAYLOADS`` in ``decode_bundle.py`` names the payloads.
"""

import hashlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    sys.path[:0] = [str(HERE.parent / "tests" / "fakes")]
    from local_sigstore import LocalSigstore
    from sigstore.models import ClientTrustConfig
    from sigstore.oidc import IdentityToken

    from mlsign.digest import sha256
    from mlsign.formats.bundle import encode_bundle
    from mlsign.formats.statement import Resource, build_statement, encode_statement
    from mlsign.formats.trusted_root import decode_trusted_root
    from mlsign.paths import PackagePath
    from mlsign.signers.keyless import KeylessSigner

    resources = (Resource(path=PackagePath("model.onnx"), digest=sha256(b"model")),)
    statement = build_statement(
        name="m", algorithm=resources[0].digest.algorithm, resources=resources, ignore_paths=("signatures",)
    )
    payload = encode_statement(statement)
    with LocalSigstore() as sigstore:
        root = json.dumps(sigstore.trusted_root()).encode()
        (HERE / "bundle_root.json").write_bytes(root)
        for rekor in (1, 2):
            config = ClientTrustConfig.from_json(json.dumps(sigstore.trust_config(rekor=rekor)))
            token = IdentityToken(sigstore.oidc.email_token("alice@acme.example"))
            bundle = KeylessSigner(token, config, decode_trusted_root(root)).sign(payload)
            (HERE / "corpora" / "bundle" / f"keyless-{rekor}.json").write_bytes(encode_bundle(bundle))
    print(f"payload {hashlib.sha256(payload).hexdigest()}")


if __name__ == "__main__":
    main()
