"""Proofs of inclusion: every good one holds, and nothing else does; checkpoints are read in one way."""

from dataclasses import replace
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from fake_log import TransparencyLog
from fake_merkle import MerkleTree, leaf_hash
from fake_pki import b64, spki, wall_clock

from mlsign.errors import InputError, MlsignError, TrustError
from mlsign.formats.log_entry import InclusionProof
from mlsign.formats.trusted_root import Log, Period
from mlsign.trust.merkle import decode_checkpoint, root_from_path, verify_inclusion
from mlsign.trust.merkle import leaf_hash as our_leaf_hash

SIZES = range(1, 71)
TREE = MerkleTree()
for number in range(80):
    TREE.append(b"leaf %d" % number)


def tree_of(size):
    tree = MerkleTree()
    for number in range(size):
        tree.append(b"leaf %d" % number)
    return tree


def leads_to(root, leaf, **how):
    try:
        return root_from_path(leaf, **how) == root
    except TrustError as err:
        assert err.code == "log.inclusion"
        return False


@pytest.mark.parametrize("size", SIZES)
def test_every_path_of_a_tree_leads_to_its_root_and_no_other_does(size):
    tree = tree_of(size)
    root = tree.root()
    for index in range(size):
        leaf, path = our_leaf_hash(b"leaf %d" % index), tuple(tree.path(index))
        assert leaf == leaf_hash(b"leaf %d" % index)
        assert leads_to(root, leaf, index=index, size=size, path=path)
        other = bytes([leaf[0] ^ 1]) + leaf[1:]
        assert not leads_to(root, other, index=index, size=size, path=path)
        for at, node in enumerate(path):
            changed = (*path[:at], bytes([node[0] ^ 1]) + node[1:], *path[at + 1 :])
            assert not leads_to(root, leaf, index=index, size=size, path=changed)
            assert not leads_to(root, leaf, index=index, size=size, path=(*path[:at], *path[at + 1 :]))
            assert not leads_to(root, leaf, index=index, size=size, path=(*path[:at], node[:31], *path[at + 1 :]))
        for wrong in (path[:-1] if path else (leaf,), (*path, root), (*path, leaf), (leaf, *path), path[::-1]):
            if wrong != path:
                assert not leads_to(root, leaf, index=index, size=size, path=wrong)
        # At another place; in a tree of another size a path of the same length may well lead to the root.
        for elsewhere in {index - 1, index + 1, size - 1 - index, 0, size - 1} - {index}:
            assert not leads_to(root, leaf, index=elsewhere, size=size, path=path)


@pytest.mark.parametrize(("index", "size"), [(-1, 1), (0, 0), (1, 1), (5, 5), (0, -1), (2**63, 2**63)])
def test_no_entry_is_outside_of_its_log(index, size):
    with pytest.raises(TrustError) as caught:
        root_from_path(bytes(32), index=index, size=size, path=())
    assert caught.value.code == "log.inclusion"


def test_a_tree_of_any_size_takes_as_many_steps_as_its_path():
    with pytest.raises(TrustError):
        root_from_path(bytes(32), index=2**62, size=2**63 - 1, path=(bytes(32),) * 61)
    assert root_from_path(bytes(32), index=2**62, size=2**63 - 1, path=(bytes(32),) * 63)


def test_a_node_is_no_leaf():
    """With the prefixes of RFC 9162 no node inside can be passed off as an entry."""
    tree = tree_of(4)
    inner = b"\x01" + leaf_hash(b"leaf 0") + leaf_hash(b"leaf 1")
    assert not leads_to(tree.root(), our_leaf_hash(inner[1:]), index=0, size=2, path=(tree.path(0)[1],))


# Checkpoints


KEY = ed25519.Ed25519PrivateKey.generate()
LOG = Log(
    url="https://log.example",
    log_id=sha256(spki(KEY.public_key())).digest(),
    key=spki(KEY.public_key()),
    key_details="PKIX_ED25519",
    period=Period(start=wall_clock(), end=None),
)


def make_log(**more):
    options = {"name": "log.example", "origin": "log.example - 1", "hint": LOG.log_id[:4], "sign": KEY.sign, "older": 5}
    return TransparencyLog(**options | more)


def proven(log, **changes):
    """A body in the log, and the proof of it after changes."""
    entry, _ = log.append({"a": 1}, time=wall_clock())
    found = log.prove(entry, time=wall_clock())
    proof = InclusionProof(
        log_index=found.index,
        root_hash=found.root,
        tree_size=found.size,
        hashes=tuple(found.hashes),
        checkpoint=found.checkpoint,
    )
    return entry.body, replace(proof, **changes)


def refused(*args, kind=MlsignError, **how):
    with pytest.raises(kind) as caught:
        verify_inclusion(*args, **how)
    assert str(caught.value)[:1].islower()
    return caught.value.code


@pytest.mark.parametrize("older", [0, 1, 5, 8])
def test_a_log_says_what_is_in_it(older):
    verify_inclusion(*proven(make_log(older=older)), log=LOG)
    verify_inclusion(*proven(make_log(older=older, extra=lambda: "Timestamp: 1\nother: 2\n")), log=LOG)


def test_another_body_is_not_in_it():
    body, proof = proven(make_log())
    assert refused(body + b" ", proof, log=LOG) == "log.inclusion"
    assert refused(body, replace(proof, root_hash=bytes(32)), log=LOG) == "log.inclusion"
    assert refused(body, replace(proof, log_index=proof.log_index - 1), log=LOG) == "log.inclusion"
    assert refused(body, replace(proof, hashes=proof.hashes[:-1]), log=LOG) == "log.inclusion"


def test_the_checkpoint_is_of_the_same_tree():
    log = make_log()
    body, proof = proven(log)
    log.append({"b": 2}, time=wall_clock())
    _, _, later = log.head(time=wall_clock())
    assert refused(body, replace(proof, checkpoint=later), log=LOG) == "log.checkpoint"
    # A checkpoint that was signed says another size, or another root, than the proof.
    forged = TransparencyLog(name="log.example", origin="log.example - 1", hint=LOG.log_id[:4], sign=KEY.sign, older=6)
    assert refused(body, replace(proof, checkpoint=forged.head(time=wall_clock())[2]), log=LOG) == "log.checkpoint"


def test_the_checkpoint_is_signed_by_that_log():
    body, proof = proven(make_log(sign=ed25519.Ed25519PrivateKey.generate().sign))
    assert refused(body, proof, log=LOG, kind=TrustError) == "log.signature"
    body, proof = proven(make_log(hint=b"\0\0\0\0"))
    assert refused(body, proof, log=LOG, kind=TrustError) == "log.signature"
    body, proof = proven(make_log())
    other = replace(LOG, log_id=bytes(32))
    assert refused(body, proof, log=other, kind=TrustError) == "log.signature"


def test_of_two_signatures_with_the_same_hint_one_must_be_true():
    body, proof = proven(make_log())
    note, _, lines = proof.checkpoint.partition("\n\n")
    false = f"\u2014 log.example {b64(LOG.log_id[:4] + bytes(64))}\n"
    for signatures in (false + lines, lines + false):
        verify_inclusion(body, replace(proof, checkpoint=f"{note}\n\n{signatures}"), log=LOG)
    assert refused(body, replace(proof, checkpoint=f"{note}\n\n{false}{false}"), log=LOG) == "log.signature"


def test_every_line_of_the_note_is_signed():
    body, proof = proven(make_log())
    note, _, signatures = proof.checkpoint.partition("\n\n")
    for changed in (f"{note}\nmore: 1", note.replace("log.example", "log.other"), note + "\n"):
        assert refused(body, replace(proof, checkpoint=f"{changed}\n\n{signatures}"), log=LOG) in {
            "log.signature",
            "log.checkpoint",
        }


ROOT = b64(bytes(32))
SIGNATURE = f"\u2014 log.example {b64(bytes(68))}"
GOOD = f"log.example - 1\n7\n{ROOT}\nmore\n\n{SIGNATURE}\n{SIGNATURE}\n"


def test_a_checkpoint_is_read():
    found = decode_checkpoint(GOOD)
    assert (found.size, found.root_hash, found.note) == (7, bytes(32), f"log.example - 1\n7\n{ROOT}\nmore\n".encode())
    assert found.signatures == ((bytes(4), bytes(64)),) * 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        GOOD.rstrip("\n"),
        GOOD.replace("\n\n", "\n"),
        GOOD.replace("more\n\n", "more\n\n\n"),
        GOOD.replace("log.example - 1", "", 1),
        GOOD + "\n",
        GOOD + GOOD,
        f"log.example - 1\n7\n\n{SIGNATURE}\n",
        f"log.example - 1\n7\n{ROOT}\n\n",
        f"log.example - 1\n7\n{ROOT}\n\n\n",
        GOOD.replace("\u2014", "-"),
        GOOD.replace("\u2014 ", "\u2014  "),
        GOOD.replace(SIGNATURE, SIGNATURE + " x", 1),
        GOOD.replace(SIGNATURE, SIGNATURE[:-1], 1),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n7\n", "\n07\n"),
        GOOD.replace("\n7\n", "\n-7\n"),
        GOOD.replace("\n7\n", "\n7 \n"),
        GOOD.replace("\n7\n", "\n٧\n"),
        GOOD.replace("\n7\n", f"\n{2**63}\n"),
        GOOD.replace(ROOT, b64(bytes(31))),
        GOOD.replace(ROOT, b64(bytes(33))),
        GOOD.replace(ROOT, "!"),
        f"log.example - 1\n7\n{ROOT}\n\n" + 65 * f"{SIGNATURE}\n",
    ],
)
def test_what_is_no_checkpoint(text):
    with pytest.raises(InputError) as caught:
        decode_checkpoint(text)
    assert caught.value.code in {"log.checkpoint", "base64", "integer.spelling", "integer.range"}
    body, proof = proven(make_log())
    with pytest.raises(InputError):
        verify_inclusion(body, replace(proof, checkpoint=text), log=LOG)
