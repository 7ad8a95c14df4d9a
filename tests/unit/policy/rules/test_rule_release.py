"""Rules about the release: what is revoked, and what is too old."""

from dataclasses import replace

import pytest

from mlsign.digest import Algorithm, Digest
from mlsign.evidence.findings import Outcome
from mlsign.evidence.record import Evidence
from mlsign.policy.model import Revocation, RevokedFile, RevokedPackage, RevokedRelease
from mlsign.policy.rules import revoked, version
from mlsign.version import decode_version

OTHER = Digest(algorithm=Algorithm.SHA256, value=b"o" * 32)
SUBJECT = Digest(algorithm=Algorithm.SHA256, value=b"s" * 32)
WEIGHTS = Digest(algorithm=Algorithm.SHA256, value=b"w" * 32)
BLAKE3 = Digest(algorithm=Algorithm.BLAKE3, value=b"w" * 32)
V = decode_version("1.2.0")


def package(digest: Digest) -> Revocation:
    return RevokedPackage(digest=digest, reason="bad labels")


def file(*digests: Digest) -> Revocation:
    return RevokedFile(digests=digests, reason="bad labels")


def release(name: str, number: str | None = None) -> Revocation:
    return RevokedRelease(name=name, version=None if number is None else decode_version(number), reason="bad labels")


@pytest.mark.parametrize(
    "item",
    [
        package(SUBJECT),
        package(WEIGHTS),
        file(WEIGHTS),
        file(BLAKE3, WEIGHTS),
        release("fraud"),
        release("FRAUD"),
        release("fraud", "1.2.0"),
        release("fraud", "1.2.0+build.7"),
    ],
)
def test_what_is_revoked_is_refused_with_the_reason(item: Revocation, evidence: Evidence) -> None:
    (finding,) = revoked.check(evidence, (package(OTHER), item))
    assert (finding.code, finding.outcome) == ("MLS401", Outcome.FAIL)
    assert finding.message.endswith("is revoked: bad labels")


@pytest.mark.parametrize(
    "item",
    [
        package(OTHER),
        file(OTHER),
        file(BLAKE3, OTHER),
        release("frau"),
        release("fraud", "1.2.1"),
        release("fraud", "1.2.0-rc.1"),
    ],
)
def test_what_is_about_something_else_passes(item: Revocation, evidence: Evidence) -> None:
    (finding,) = revoked.check(evidence, (item,))
    assert (finding.code, finding.outcome) == ("MLS401", Outcome.PASS)


def test_a_file_known_by_another_algorithm_is_unknown(evidence: Evidence) -> None:
    (finding,) = revoked.check(evidence, (file(BLAKE3),))
    assert (finding.outcome, finding.where) == (Outcome.UNKNOWN, str(BLAKE3))
    assert "files are known by sha256, a revoked one by blake3" in finding.message
    # the subject digest is always sha256: it must not pass for a digest of a file
    repacked = replace(evidence, digests=frozenset({SUBJECT, BLAKE3._replace(value=b"x" * 32)}))
    assert revoked.check(repacked, (file(WEIGHTS),))[0].outcome is Outcome.UNKNOWN
    assert revoked.check(replace(evidence, digests=frozenset({SUBJECT})), (file(WEIGHTS),))[0].outcome is Outcome.UNKNOWN


def test_a_release_without_manifest_is_unknown(evidence: Evidence) -> None:
    bare = replace(evidence, manifest=None)
    (finding,) = revoked.check(bare, (release("fraud"),))
    assert finding.outcome is Outcome.UNKNOWN
    assert revoked.check(bare, (package(OTHER),))[0].outcome is Outcome.PASS


def test_a_package_without_digest_is_unknown_even_when_nothing_is_revoked(evidence: Evidence) -> None:
    assert revoked.check(evidence, ()) == ()
    for settings in ((), (package(OTHER),)):
        (finding,) = revoked.check(replace(evidence, digest=None), settings)
        assert (finding.code, finding.outcome) == ("MLS401", Outcome.UNKNOWN)


@pytest.mark.parametrize(
    ("minimum", "outcome"),
    [
        ("1.2.0", Outcome.PASS),
        ("1.2.0-rc.1", Outcome.PASS),
        ("1.2.1-rc.1", Outcome.FAIL),
        ("1.10.0", Outcome.FAIL),
        ("2.0.0", Outcome.FAIL),
    ],
)
def test_versions_have_a_minimum(minimum: str, outcome: Outcome, evidence: Evidence) -> None:
    (finding,) = version.check(evidence, decode_version(minimum))
    assert (finding.code, finding.outcome, finding.found) == ("MLS402", outcome, "1.2.0")


def test_a_version_that_nobody_says_is_unknown(evidence: Evidence) -> None:
    (finding,) = version.check(replace(evidence, manifest=None), V)
    assert (finding.code, finding.outcome, finding.expected) == ("MLS402", Outcome.UNKNOWN, "1.2.0 or newer")
    assert version.check(evidence, None) == ()
