"""Log entries as they stand in bundles: numbers as strings, fields left out, and nothing that contradicts."""

import copy
from dataclasses import replace

import pytest

from mlsign.errors import InputError
from mlsign.formats.log_entry import InclusionProof, LogEntry, decode_log_entry, encode_log_entry
from mlsign.strict import Fields

ENTRY = LogEntry(
    log_id=bytes(32),
    log_index=7,
    kind="dsse",
    version="0.0.1",
    integrated_time=1_700_000_000,
    promise=b"promise",
    proof=InclusionProof(log_index=2, root_hash=bytes(32), tree_size=5, hashes=(b"\1" * 32, b"\2" * 32), checkpoint="note"),
    body=b"{}",
)
GOOD = encode_log_entry(ENTRY)


def decode(value):
    fields = Fields(value, where="entry", format_name="bundle")
    found = decode_log_entry(fields)
    fields.done()
    return found


def edited(edit):
    value = copy.deepcopy(GOOD)
    edit(value)
    return value


def refused(value):
    with pytest.raises(InputError) as caught:
        decode(value)
    assert str(caught.value)[:1].islower() or str(caught.value).startswith("entry")
    return caught.value.code


@pytest.mark.parametrize(
    "entry",
    [
        ENTRY,
        replace(ENTRY, promise=None),
        replace(ENTRY, proof=None),
        replace(ENTRY, promise=None, proof=None, integrated_time=0, log_index=0),
        replace(ENTRY, proof=replace(ENTRY.proof, hashes=())),
        replace(ENTRY, log_index=2**63 - 1),
    ],
)
def test_what_is_written_is_read(entry):
    assert decode(encode_log_entry(entry)) == entry


def test_defaults_may_be_left_out_or_null():
    for name in ("logIndex", "integratedTime"):
        found = decode(edited(lambda v, name=name: v.pop(name)))
        assert found == decode(edited(lambda v, name=name: v.update({name: None})))
        assert found in {replace(ENTRY, log_index=0), replace(ENTRY, integrated_time=0)}
    for name in ("inclusionPromise", "inclusionProof"):
        assert decode(edited(lambda v, name=name: v.update({name: None}))) == decode(edited(lambda v, name=name: v.pop(name)))
    for edit in (lambda p: p.pop("hashes"), lambda p: p.update(hashes=[])):
        assert decode(edited(lambda v, edit=edit: edit(v["inclusionProof"]))).proof.hashes == ()
    for edit in (lambda p: p.pop("checkpoint"), lambda p: p.update(checkpoint=None)):
        assert decode(edited(lambda v, edit=edit: edit(v["inclusionProof"]))).proof.checkpoint == ""
    assert decode(edited(lambda v: v["inclusionProof"].pop("logIndex"))).proof.log_index == 0
    assert decode(edited(lambda v: v.update(logIndex=9))).log_index == 9


@pytest.mark.parametrize("value", ["", "07", "-1", "+1", " 1", "1.0", "1e3", str(2**63), -1, 1.0, True, [], {}, "٧"])
@pytest.mark.parametrize("name", ["logIndex", "integratedTime"])
def test_numbers_have_one_spelling(value, name):
    assert refused(edited(lambda v: v.update({name: value}))) in {"bundle.range", "integer.spelling", "integer.range"}


@pytest.mark.parametrize("name", ["logId", "kindVersion", "canonicalizedBody"])
def test_what_must_be_there(name):
    assert refused(edited(lambda v: v.pop(name))) == "bundle.missing"
    assert refused(edited(lambda v: v.update({name: 7}))) == "bundle.type"
    assert refused(edited(lambda v: v.update({name: None}))) == "bundle.type"


@pytest.mark.parametrize("name", ["logId", "kindVersion", "inclusionPromise", "inclusionProof"])
def test_nothing_else_is_there(name):
    assert refused(edited(lambda v: v[name].update(more=1))) == "bundle.unknown"
    assert refused(edited(lambda v: v["inclusionProof"]["checkpoint"].update(more=1))) == "bundle.unknown"
    assert refused(edited(lambda v: v.update(more=1))) == "bundle.unknown"


@pytest.mark.parametrize(
    "edit",
    [
        lambda v: v["logId"].update(keyId="A"),
        lambda v: v["logId"].update(keyId="A" * 100),
        lambda v: v["inclusionPromise"].update(signedEntryTimestamp=""),
        lambda v: v["inclusionPromise"].update(signedEntryTimestamp="AAAA" * 400),
        lambda v: v["inclusionProof"].update(rootHash="AAAA" * 12),
        lambda v: v["inclusionProof"].update(hashes=["AAAA" * 12]),
        lambda v: v["inclusionProof"].update(hashes=[7]),
        lambda v: v["inclusionProof"].update(hashes=["AAAA"] * 65),
        lambda v: v["inclusionProof"]["checkpoint"].update(envelope=""),
        lambda v: v["inclusionProof"]["checkpoint"].update(envelope="x" * 70000),
        lambda v: v["kindVersion"].update(kind="x" * 65),
        lambda v: v["kindVersion"].update(version=""),
    ],
)
def test_sizes_are_bounded(edit):
    assert refused(edited(edit)) in {"base64", "bundle.length", "bundle.type"}
