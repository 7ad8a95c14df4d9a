"""Evidence says which signatures may be counted."""

from mlsign.evidence.record import Evidence, SignatureRecord, Standing


def record(standing: Standing) -> SignatureRecord:
    return SignatureRecord(
        bundle=standing.value, method=None, standing=standing, identity=None, times=(), algorithms=frozenset(), reasons=()
    )


def test_only_counted_signatures_are_counted():
    records = tuple(record(standing) for standing in Standing)
    evidence = Evidence(
        digest=None, digests=frozenset(), manifest=None, summary=None, signatures=records, findings=(), unverified=()
    )
    assert [r.bundle for r in evidence.counted] == ["counted"]
