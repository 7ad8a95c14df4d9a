"""Trust roots of Sigstore: who is believed and when, read in one way."""

import copy
from datetime import UTC, datetime, timedelta

import pytest
from local_sigstore import LocalSigstore

from mlsign.errors import InputError
from mlsign.formats.trusted_root import CLIENT_MEDIA_TYPE, Period, decode_time, decode_trusted_root
from mlsign.strict import encode_json


@pytest.fixture(scope="module")
def good():
    with LocalSigstore() as sigstore:
        return sigstore.trusted_root(end=datetime(2090, 1, 2, 3, 4, 5, tzinfo=UTC))


@pytest.fixture
def value(good):
    return copy.deepcopy(good)


def decode(value):
    return decode_trusted_root(encode_json(value))


def refused(value):
    with pytest.raises(InputError) as caught:
        decode(value)
    return caught.value.code


def test_who_is_believed(good):
    found = decode(good)
    assert [len(x) for x in (found.logs, found.ct_logs, found.certificate_authorities, found.timestamp_authorities)] == [
        2,
        1,
        1,
        1,
    ]
    assert len(found.certificate_authorities[0].certificates) == 2
    assert found.logs[0].period.end == datetime(2090, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert found.logs[1].key_details == "PKIX_ED25519"


@pytest.mark.parametrize("name", ["tlogs", "ctlogs", "certificateAuthorities", "timestampAuthorities"])
def test_lists_may_be_left_out(value, name):
    del value[name]
    found = decode(value)
    assert () in {found.logs, found.ct_logs, found.certificate_authorities, found.timestamp_authorities}
    value[name] = {}
    assert refused(value) == "root.type"


def test_in_the_configuration_of_a_client(good):
    client = {"mediaType": CLIENT_MEDIA_TYPE, "trustedRoot": good, "signingConfig": {}}
    assert decode(client) == decode(good)
    assert refused(client | {"more": 1}) == "root.unknown"
    assert refused(client | {"mediaType": good["mediaType"]}) == "root.value"
    assert refused({"mediaType": CLIENT_MEDIA_TYPE, "trustedRoot": good}) == "root.missing"


@pytest.mark.parametrize("media_type", ["", "application/json", CLIENT_MEDIA_TYPE])
def test_other_documents(value, media_type):
    value["mediaType"] = media_type
    assert refused(value) in {"root.value", "root.length"}
    assert refused(value | {"more": 1}) in {"root.value", "root.length"}


def test_nothing_else_is_in_it(value):
    assert refused(value | {"more": 1}) == "root.unknown"
    for path in (("tlogs", 0), ("tlogs", 0, "logId"), ("tlogs", 0, "publicKey"), ("tlogs", 0, "publicKey", "validFor")):
        changed = copy.deepcopy(value)
        place = changed
        for step in path:
            place = place[step]
        place["more"] = 1
        assert refused(changed) == "root.unknown"
    for path in (("certificateAuthorities", 0), ("certificateAuthorities", 0, "certChain")):
        changed = copy.deepcopy(value)
        place = changed
        for step in path:
            place = place[step]
        place["more"] = 1
        assert refused(changed) == "root.unknown"


def test_what_says_nothing_that_is_needed_may_be_there_or_not(value):
    value["tlogs"][0] |= {"checkpointKeyId": {"keyId": "AAAA"}, "operator": "somebody"}
    value["certificateAuthorities"][0] |= {"operator": "somebody"}
    del value["tlogs"][1]["baseUrl"]
    del value["certificateAuthorities"][0]["uri"], value["certificateAuthorities"][0]["subject"]
    found = decode(value)
    assert (found.logs[1].url, found.certificate_authorities[0].url) == ("", "")


def test_a_log_is_named_once(value):
    value["tlogs"].append(copy.deepcopy(value["tlogs"][0]))
    assert refused(value) == "root.log"


def test_hashes_that_logs_have(value):
    value["tlogs"][0]["hashAlgorithm"] = "SHA2_512"
    assert refused(value) == "root.value"


@pytest.mark.parametrize("count", [0, 11])
def test_chains_are_as_long_as_chains_are(value, count):
    chain = value["certificateAuthorities"][0]["certChain"]
    chain["certificates"] = chain["certificates"][:1] * count
    assert refused(value) == "root.length"


# Times


def test_a_period_without_an_end_has_not_ended(value):
    period = value["tlogs"][0]["publicKey"]["validFor"]
    for end in (None, "absent"):
        period.pop("end", None)
        if end is None:
            period["end"] = None
        assert decode(value).logs[0].period.end is None
    period["end"] = period["start"]
    assert decode(value).logs[0].period.end == decode(value).logs[0].period.start


@pytest.mark.parametrize(
    "period",
    [
        {},
        {"end": "2030-01-01T00:00:00Z"},
        {"start": None},
        {"start": ""},
        {"start": "2030-01-01"},
        {"start": "2030-01-01T00:00:00Z", "end": "2029-12-31T23:59:59Z"},
        {"start": "2030-01-01T00:00:00+01:00"},
        {"start": "2030-13-01T00:00:00Z"},
        {"start": "2030-01-01T24:00:00Z"},
        {"start": "2030-01-01T00:00:60Z"},
        {"start": "2030-01-01t00:00:00z"},
        {"start": " 2030-01-01T00:00:00Z"},
        {"start": "2030-01-01T00:00:00.Z"},
        {"start": "2030-01-01T00:00:00.1234567890Z"},
        {"start": "٢٠٣٠-01-01T00:00:00Z"},
        {"start": "0000-01-01T00:00:00Z"},
        {"start": 7},
    ],
)
def test_periods_that_are_none(value, period):
    value["tlogs"][0]["publicKey"]["validFor"] = period
    assert refused(value) in {"root.missing", "root.type", "root.length", "root.time", "root.period"}


def test_fractions_of_seconds():
    assert decode_time("2030-01-01T00:00:00.5Z") == datetime(2030, 1, 1, microsecond=500_000, tzinfo=UTC)
    assert decode_time("2030-01-01T00:00:00.123456789Z") == datetime(2030, 1, 1, microsecond=123_456, tzinfo=UTC)
    with pytest.raises(ValueError, match="x"):
        decode_time("x")


def test_bounds_belong_to_a_period():
    start, end = datetime(2030, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
    second = timedelta(seconds=1)
    found = Period(start=start, end=end)
    assert [found.covers(t) for t in (start - second, start, end, end + second)] == [False, True, True, False]
    assert Period(start=start, end=None).covers(end + second)
