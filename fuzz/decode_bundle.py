"""Fuzz target: a bundle from anybody. Only ``MlsignError`` may escape, and none is authentic but the one that was signed."""

from mlsign.errors import InputError, MlsignError
from mlsign.formats.bundle import decode_bundle, encode_key_bundle
from mlsign.identity import Method
from mlsign.trust.authenticate import authenticate
from mlsign.trust.keys import decode_public_key
from mlsign.trust.root import TrustRoot

# The public half of a key whose private half was thrown away after it had signed the seed of this corpus.
PUBLIC_KEY = b"""\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE7zzTaV38X8j0sxdXvPbNXOaOwc83
qbnfCAQjKPeK8eoP+3KJ/TuxeBCfq5BCslslqU+S0fN2epgSHhyF9BUjsg==
-----END PUBLIC KEY-----
"""
SIGNED_PAYLOAD_SHA256 = "15da1f3560cc89c8245e887796538dbdd8565c866274239d04637d1c016322b3"
ROOT = TrustRoot(keys=(decode_public_key(PUBLIC_KEY),))


def check(data: bytes) -> None:
    """Decodes and authenticates ``data``; whatever is authentic carries the payload that was signed."""
    import hashlib

    try:
        bundle = decode_bundle(data)
    except InputError as err:
        assert err.code
        assert "\x1b" not in str(err)
        return
    if bundle.method is Method.KEY and bundle.key_hint:
        assert decode_bundle(encode_key_bundle(bundle)) == bundle
    try:
        authentic = authenticate(bundle, root=ROOT)
    except MlsignError:
        return
    assert hashlib.sha256(authentic.payload).hexdigest() == SIGNED_PAYLOAD_SHA256


if __name__ == "__main__":
    from mutate import run

    run(check, corpus="bundle")
