"""Both transparency logs log what is signed as it says, prove it, and refuse the rest."""

import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from fake_http import ask
from fake_merkle import MerkleTree, leaf_hash
from fake_pki import P256, b64, pae, pem, sha256

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def rekor1_requests(key, *, sign=None):
    sign = sign or key
    message = pae(PAYLOAD_TYPE, b"{}")
    signature = b64(sign.sign(message, P256))
    envelope = {"payloadType": PAYLOAD_TYPE, "payload": b64(b"{}"), "signatures": [{"sig": signature}]}
    verifier = b64(pem(key.public_key()))
    hashed = {
        "data": {"hash": {"algorithm": "sha256", "value": sha256(message).hex()}},
        "signature": {"content": signature, "publicKey": {"content": verifier}},
    }
    proposed = {"proposedContent": {"envelope": json.dumps(envelope), "verifiers": [verifier]}}
    return {
        "dsse": {"apiVersion": "0.0.1", "kind": "dsse", "spec": proposed},
        "hashedrekord": {"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": hashed},
    }


def rekor2_requests(key, *, sign=None, details="PKIX_ECDSA_P256_SHA_256"):
    sign = sign or key
    message = pae(PAYLOAD_TYPE, b"{}")
    signature = b64(sign.sign(message, P256))
    raw = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    verifier = {"publicKey": {"rawBytes": b64(raw)}, "keyDetails": details}
    envelope = {"payloadType": PAYLOAD_TYPE, "payload": b64(b"{}"), "signatures": [{"sig": signature, "keyid": ""}]}
    hashed = {"digest": b64(sha256(message)), "signature": {"content": signature, "verifier": verifier}}
    return {
        "dsse": {"dsseRequestV002": {"envelope": envelope, "verifiers": [verifier]}},
        "hashedrekord": {"hashedRekordRequestV002": hashed},
    }


@pytest.mark.parametrize("kind", ["dsse", "hashedrekord"])
@pytest.mark.parametrize("version", [1, 2])
def test_an_entry_is_logged_only_with_a_good_signature(sigstore, version, kind):
    requests, log = {1: (rekor1_requests, sigstore.rekor1.log), 2: (rekor2_requests, sigstore.rekor2.log)}[version]
    where = f"{sigstore.url}/api/v{version}/log/entries"
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    before = len(log.entries)
    status, body = ask(where, requests(key, sign=other)[kind])
    assert (status, b"could not be verified" in body) == (400, True), body
    assert len(log.entries) == before
    status, body = ask(where, requests(key)[kind])
    assert (status, len(log.entries)) == (201, before + 1), body


def test_refused_by_the_first_log(sigstore):
    where = f"{sigstore.url}/api/v1/log/entries"
    key, spare = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    for kind, change in (
        ("dsse", lambda e: e.update(apiVersion="0.0.2")),
        ("dsse", lambda e: e.update(kind="intoto")),
        ("dsse", lambda e: e["spec"]["proposedContent"].update(verifiers=[])),
        ("dsse", lambda e: e["spec"]["proposedContent"].update(envelope="{}")),
        ("dsse", lambda e: e["spec"]["proposedContent"]["verifiers"].append(b64(pem(spare.public_key())))),
        ("hashedrekord", lambda e: e["spec"]["data"]["hash"].update(algorithm="sha512")),
        ("hashedrekord", lambda e: e["spec"]["data"]["hash"].update(value="00")),
        ("hashedrekord", lambda e: e["spec"]["signature"].update(content="no base64")),
        ("hashedrekord", lambda e: e["spec"]["signature"]["publicKey"].update(content=b64(b"no key"))),
    ):
        entry = rekor1_requests(key)[kind]
        change(entry)
        assert ask(where, entry)[0] == 400, entry
    assert ask(where, b'{"kind": "dsse", "kind": "dsse"}')[0] == 400


def test_refused_by_the_second_log(sigstore):
    where = f"{sigstore.url}/api/v2/log/entries"
    key = ec.generate_private_key(ec.SECP256R1())
    both = {**rekor2_requests(key)["dsse"], **rekor2_requests(key)["hashedrekord"]}
    wrong = rekor2_requests(key, details="PKIX_ED25519")
    for request in ({}, both, *wrong.values()):
        assert ask(where, request)[0] == 400, request


def test_a_plain_ed25519_key_signs_envelopes_and_no_digests(sigstore):
    key = ed25519.Ed25519PrivateKey.generate()

    class Signing:
        @staticmethod
        def sign(message, _):
            return key.sign(message)

    where = f"{sigstore.url}/api/v2/log/entries"
    requests = rekor2_requests(key, sign=Signing, details="PKIX_ED25519")
    assert (ask(where, requests["dsse"])[0], ask(where, requests["hashedrekord"])[0]) == (201, 400)


def test_entries_of_the_first_log_can_be_fetched(sigstore):
    where = f"{sigstore.url}/api/v1/log"
    request = rekor1_requests(ec.generate_private_key(ec.SECP256R1()))["hashedrekord"]
    ((name, entry),) = json.loads(ask(f"{where}/entries", request)[1]).items()
    for url in (f"{where}/entries/{name}", f"{where}/entries/{name[16:]}", f"{where}/entries?logIndex={entry['logIndex']}"):
        ((same, again),) = json.loads(ask(url)[1]).items()
        assert (same, again["body"], again["integratedTime"]) == (name, entry["body"], entry["integratedTime"])
    assert json.loads(ask(f"{where}/entries/retrieve", {"entries": [request]})[1])[0].keys() == {name}
    assert entry["logIndex"] - entry["verification"]["inclusionProof"]["logIndex"] == sigstore.rekor1.first_index
    assert ask(f"{where}/entries", request)[0] == 409
    assert ask(f"{where}/entries?logIndex=1")[0] == ask(f"{where}/entries/{'00' * 32}")[0] == 404
    info = json.loads(ask(where)[1])
    assert info["signedTreeHead"].splitlines()[1] == str(info["treeSize"])
    assert ask(f"{where}/publicKey")[1] == pem(sigstore.rekor1.key.public_key())


def test_a_lying_log_can_be_had(sigstore):
    body = {"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {}}
    assert sigstore.rekor2.record(body)["kindVersion"] == {"kind": "hashedrekord", "version": "0.0.2"}
    ((_, entry),) = sigstore.rekor1.record(body).items()
    assert entry["verification"]["inclusionProof"]["treeSize"] == len(sigstore.rekor1.log.entries) + 5


@pytest.mark.parametrize("size", [*range(1, 20), 64, 100])
def test_every_path_leads_to_the_root(size):
    tree, bodies = MerkleTree(), [b"%d" % n for n in range(size)]
    for body in bodies:
        tree.append(body)

    def plain(leaves):
        if len(leaves) == 1:
            return leaves[0]
        left = 1 << ((len(leaves) - 1).bit_length() - 1)
        return sha256(b"\1" + plain(leaves[:left]) + plain(leaves[left:]))

    assert tree.root() == plain([leaf_hash(b) for b in bodies])
    for index, body in enumerate(bodies):
        node, at, last = leaf_hash(body), index, size - 1
        for sibling in tree.path(index):  # RFC 9162, section 2.1.3.2
            if at & 1 or at == last:
                node = sha256(b"\1" + sibling + node)
                while not at & 1 and at:
                    at, last = at >> 1, last >> 1
            else:
                node = sha256(b"\1" + node + sibling)
            at, last = at >> 1, last >> 1
        assert (node, last) == (tree.root(), 0)
