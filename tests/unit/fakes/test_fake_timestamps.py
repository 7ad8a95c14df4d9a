"""The time stamping authority answers what it is asked, and nothing that is not a request."""

import pytest
from asn1crypto import tsp
from fake_http import ask
from fake_pki import b64
from fake_timestamps import Rejection


def query(algorithm="sha256", digest=None, **fields):
    digest = digest if digest is not None else bytes({"sha256": 32, "sha384": 48, "sha512": 64}.get(algorithm, 20))
    imprint = {"hash_algorithm": {"algorithm": algorithm}, "hashed_message": digest}
    return tsp.TimeStampReq({"version": "v1", "message_imprint": imprint, **fields}).dump()


def stamp(sigstore, body, media_type="application/timestamp-query", *, answer=tsp.TimeStampResp):
    status, data = ask(sigstore.timestamps.url, body, media_type=media_type)
    assert status == 201, data
    return answer.load(data)


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("wanted", [True, False])
def test_a_stamp_echoes_the_request(sigstore, algorithm, wanted):
    answer = stamp(sigstore, query(algorithm, nonce=77, cert_req=wanted))
    signed = answer["time_stamp_token"]["content"]
    info = signed["encap_content_info"]["content"].parsed
    assert answer["status"]["status"].native == "granted"
    assert info["nonce"].native == 77
    assert info["message_imprint"]["hash_algorithm"]["algorithm"].native == algorithm
    assert bool(signed["certificates"].native) is wanted


def test_a_stamp_may_be_asked_for_in_json(sigstore):
    body = {"artifactHash": b64(bytes(32)), "hashAlgorithm": "sha256"}
    assert stamp(sigstore, body, "application/json")["status"]["status"].native == "granted"
    assert ask(sigstore.timestamps.url, {**body, "hashAlgorithm": "md5"})[0] == 400
    short = stamp(sigstore, {**body, "artifactHash": "AAAA"}, "application/json", answer=Rejection)
    assert short["status"]["fail_info"].native == {"bad_data_format"}


@pytest.mark.parametrize(
    ("body", "failure"),
    [  # by what is asked: another hash, too short a digest, a policy that is not ours, an extension
        (query("sha1"), "bad_alg"),
        (query(digest=bytes(31)), "bad_data_format"),
        (query(req_policy="1.2.3"), "unaccepted_policy"),
        (query(extensions=[{"extn_id": "2.5.29.14", "extn_value": b"\4\0"}]), "unaccepted_extensions"),
    ],
    ids=["hash", "digest", "policy", "extension"],
)
def test_a_request_that_cannot_be_met_is_rejected(sigstore, body, failure):
    answer = stamp(sigstore, body, answer=Rejection)
    assert (answer["status"]["status"].native, answer["status"]["fail_info"].native) == ("rejection", {failure})


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", query()[:-1], query() + b"\0", b"\x30\x03\x02\x01\x01"],
    ids=["empty", "nonsense", "cut", "followed", "no imprint"],
)
def test_a_malformed_request_gets_no_stamp(sigstore, body):
    assert ask(sigstore.timestamps.url, body, media_type="application/timestamp-query")[0] == 400


def test_a_stamp_may_be_had_without_asking(sigstore):
    client = pytest.importorskip("rfc3161_client", reason="the client for time stamps is not installed")
    encoded = sigstore.timestamps.stamp_message(b"hello", algorithm="sha512")
    leaf, root = sigstore.timestamps.chain
    verifier = client.VerifierBuilder().tsa_certificate(leaf).add_root_certificate(root).build()
    verifier.verify_message(client.decode_timestamp_response(encoded), b"hello")
    with pytest.raises(client.VerificationError):
        verifier.verify_message(client.decode_timestamp_response(encoded), b"hullo")
