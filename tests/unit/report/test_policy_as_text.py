"""Everything that a policy enforces is said: no setting can change without a change of the words."""

from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from types import MappingProxyType

import pytest

from mlsign.digest import Algorithm, sha256
from mlsign.formats.statement import StatementFormat
from mlsign.identity import KeyIdentity
from mlsign.interface import OperatorId
from mlsign.paths import PackagePath
from mlsign.policy.condition import Condition
from mlsign.policy.exemption import Exemption
from mlsign.policy.freshness import AgeProof, Freshness, LogDemand, StaleTrust, TimeDemand, Transparency, TrustSettings
from mlsign.policy.golden import GoldenSettings
from mlsign.policy.lineage import Link, Loosened
from mlsign.policy.match import Match, Rival
from mlsign.policy.model import (
    CustomDomains,
    Hazard,
    ManifestMode,
    Mode,
    ModelSettings,
    OperatorSettings,
    Policy,
    RevokedFile,
    RevokedPackage,
    RevokedRelease,
    RunSettings,
    SandboxSettings,
    SignerGroup,
    VersionRange,
)
from mlsign.policy.patterns import PatternKind, TextPattern
from mlsign.policy.provenance import (
    AttestedDemands,
    ClaimDemands,
    DependencyDemand,
    ParameterDemand,
    ProvenanceSettings,
    SourceDemand,
)
from mlsign.policy.requirements import CertificateRequirement, KeylessRequirement, KeyRequirement
from mlsign.policy.summaries import Store, SummarySettings
from mlsign.report.policy import as_text as policy_as_text
from mlsign.report.policy import words as policy_words
from mlsign.report.policy import words_settings as policy_words_settings
from mlsign.report.policy.as_text import render_policy, render_policy_as_markdown, sections
from mlsign.report.policy.words import exact_bytes, span
from mlsign.version import decode_version


def exact(text: str) -> TextPattern:
    return TextPattern(kind=PatternKind.EXACT, text=text)


KEY = KeyRequirement(reference="keys/a.pub", identity=KeyIdentity(spki=sha256(b"a"), kind="EC P-256"))
GEMM, LOOP, CUSTOM = OperatorId("ai.onnx", "Gemm"), OperatorId("ai.onnx", "Loop"), OperatorId("com.acme", "Op")
POLICY = Policy(
    name="production",
    description="what runs here",
    digest=sha256(b"policy"),
    manifest=ManifestMode.REQUIRED,
    signers=(SignerGroup(name="release", require=1, any=(KEY,)),),
    digests=frozenset({Algorithm.SHA256}),
    operators=OperatorSettings(allow=frozenset({GEMM})),
    model=ModelSettings(),
    minimum_version=None,
    revoked=(),
    mode=Mode.ENFORCE,
    sandbox=SandboxSettings(),
    unsigned_files=(),
    freshness=Freshness(max_age=timedelta(days=90), trust=TrustSettings(max_age=timedelta(days=7))),
    vsa=SummarySettings(accept=(KEY,), max_age=timedelta(hours=24)),
    golden=GoldenSettings(required=True, platforms=("linux/amd64",), runtimes=("onnxruntime",), run_by=(KEY,)),
    provenance=ProvenanceSettings(
        required=True,
        claimed=ClaimDemands(builders=(exact("a builder"),), sources=(exact("a source"),)),
        attested=AttestedDemands(
            signed_by=(KEY,),
            builders=(exact("https://build.acme.example"),),
            parameters=(ParameterDemand(path=("workflow", "ref"), wanted=exact("refs/heads/main")),),
        ),
    ),
)


OTHER_VALUES = {
    "name": "staging",
    "description": "what is tried here",
    "digest": sha256(b"other"),
    "signers": (SignerGroup(name="release", require=2, any=(KEY, KEY)),),
    "digests": frozenset({Algorithm.BLAKE3}),
    "minimum_version": decode_version("1.2.0"),
    "revoked": (RevokedRelease(name="fraud", version=None, reason="bad"),),
    "unsigned_files": (PackagePath("README.md"),),
    "formats": frozenset({StatementFormat.OMS_0_2}),
    "allow": frozenset({GEMM, LOOP}),
    "allowed_domains": frozenset({"com.acme"}),
    "deny": frozenset({LOOP}),
    "denied_domains": frozenset({"com.acme"}),
    "hazards": MappingProxyType({CUSTOM: frozenset({Hazard.RUNS_CODE})}),
    "opset": MappingProxyType({"ai.onnx": VersionRange(text=">=13", minimum=13, maximum=99)}),
    "max_nodes": 5,
    "max_parameter_bytes": 1025,
    "limits": MappingProxyType({"max_nodes": 7, "max_model_bytes": 8}),
    "max_age": timedelta(hours=36),
    "file": "trust.json",
    "instance": "acme",
    "accept": (KEY, KEY),
    "chosen": frozenset({"keys/a.pub"}),
    "stores": frozenset({Store.SEALED_MEMORY}),
    "trusted": sha256(b"trusted"),
    "names": (exact("fraud"),),
    "rivals": (Rival(policy="other", match=Match(names=(exact("churn"),))),),
    "expires": datetime(2027, 1, 1, tzinfo=UTC),
    "revision": 7,
    "chain": tuple(Link(name=name, source=f"{name}.yaml", digest=sha256(name.encode())) for name in ("child", "base")),
    "loosened": (Loosened(field="age.max", reason="slow", parent="base", child="child", tight="90d", loose="180d"),),
    "signer": KEY.identity,
    "rules": (Condition(id="small", when="model.nodes > 9", message="too large"),),
    "exceptions": (
        Exemption(digest=sha256(b"x"), codes=frozenset({"MLS305"}), reason="INC-1", until=datetime(2027, 1, 1, tzinfo=UTC)),
    ),
    "builders": (exact("another builder"),),
    "sources": (SourceDemand(uri=exact("https://git.acme.example/fraud"), ref=exact("refs/heads/main"), commit=""),),
    "build_types": (exact("https://build.acme.example/type"),),
    "signed_by": (KEY, KEY),
    "parameters": (ParameterDemand(path=("workflow", "ref"), wanted=7),),
    "platforms": ("linux/amd64", "linux/arm64"),
    "runtimes": ("onnxruntime", "reference"),
    "run_by": (KEY, KEY),
    "dependencies": (DependencyDemand(uri=exact("pkg:pypi/numpy"), digest=True),),
}
"""Another value of each field that has no obvious one; settings, choices and numbers are changed as they stand."""


def others(name: str, value: object) -> list:
    """Other values of a field, every one of them different from ``value``."""
    if is_dataclass(value):
        return [replace(value, **{f.name: new}) for f in fields(value) for new in others(f.name, getattr(value, f.name))]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, Enum):
        return [member for member in type(value) if member is not value]
    if isinstance(value, int | float):
        return [value + 1]
    return [OTHER_VALUES[name]]


CHANGES = [(f.name, new) for f in fields(Policy) for new in others(f.name, getattr(POLICY, f.name))]


@pytest.mark.parametrize(("name", "value"), CHANGES, ids=[f"{name}-{i}" for i, (name, _) in enumerate(CHANGES)])
def test_whatever_changes_in_a_policy_changes_the_words(name: str, value: object) -> None:
    changed = replace(POLICY, **{name: value})
    assert render_policy(changed, width=100) != render_policy(POLICY, width=100)
    assert render_policy_as_markdown(changed) != render_policy_as_markdown(POLICY)


def test_a_new_field_has_no_way_around_the_tables() -> None:
    """Whoever adds a field adds one small function beside it."""
    assert {*policy_as_text.ORDER, *policy_as_text._LABELS} == {f.name for f in fields(Policy)}
    for table, settings in (
        (policy_words_settings.MODEL, ModelSettings),
        (policy_words_settings.RUN, RunSettings),
        (policy_words_settings.FRESHNESS, Freshness),
        (policy_words_settings.TRANSPARENCY, Transparency),
        (policy_words_settings.TRUST, TrustSettings),
        (policy_words_settings.SANDBOX, SandboxSettings),
    ):
        assert list(table) == [f.name for f in fields(settings)]


def test_every_sentence_is_one() -> None:
    told = [POLICY] + [replace(POLICY, **{name: value}) for name, value in CHANGES]
    for policy in told:
        for section in sections(policy):
            for sentence in section.sentences:
                assert sentence[0].isupper(), sentence
                assert sentence.endswith("."), sentence
                assert "None" not in sentence
                assert "  " not in sentence


def _words(policy: Policy) -> str:
    return " ".join(sentence for section in sections(policy) for sentence in section.sentences)


def _signed_by(*wanted, countersigns: str = "") -> str:
    return _words(replace(POLICY, signers=(SignerGroup(name="g", require=1, any=wanted, countersigns=countersigns),)))


def test_whoever_is_asked_for_is_named_with_every_condition() -> None:
    keyless = KeylessRequirement(
        issuer=exact("https://issuer.example"), subject=exact("ci@acme.example"), claims=(("trigger", exact("push")),)
    )
    assert "https://issuer.example vouches for as ci@acme.example, with trigger push" in _signed_by(keyless)
    certificate = CertificateRequirement(
        reference="ca.pem",
        anchors=frozenset({sha256(b"root")}),
        subject=exact("CN=acme"),
        name=exact("dns:acme.example"),
        issuer=exact("CN=ca"),
        fingerprint=sha256(b"leaf"),
    )
    told = _signed_by(certificate)
    for part in ("CN=acme", "dns:acme.example", "CN=ca", str(sha256(b"leaf")), str(sha256(b"root")), "ca.pem"):
        assert part in told
    assert "countersigned a signature that counts for the group release" in _signed_by(KEY, countersigns="release")


def test_a_policy_without_signers_says_that_it_allows_nothing() -> None:
    assert "no package is allowed" in _words(replace(POLICY, signers=()))


def test_everything_that_is_revoked_is_told_with_its_reason() -> None:
    revoked = (
        RevokedPackage(digest=sha256(b"p"), reason="one"),
        RevokedFile(digests=(sha256(b"f"),), reason="two"),
        RevokedRelease(name="fraud", version=decode_version("1.0.0"), reason="three"),
    )
    told = _words(replace(POLICY, revoked=revoked))
    for part in (str(sha256(b"p")), str(sha256(b"f")), "fraud 1.0.0", "one", "two", "three"):
        assert part in told


def test_without_an_age_nothing_is_said_of_its_proof() -> None:
    bounded = replace(POLICY, freshness=Freshness(age_proof=AgeProof.BOUNDED))
    assert "keyless signatures have an age" not in _words(bounded)


def test_the_words_of_choices_are_the_right_way_round() -> None:
    strict = replace(
        POLICY,
        freshness=Freshness(
            transparency=Transparency(log=LogDemand.REQUIRED, timestamp=TimeDemand.REQUIRED),
            trust=TrustSettings(stale=StaleTrust.ALLOW),
        ),
    )
    told = _words(strict)
    assert "only with a proof that a transparency log has it" in told
    assert "only with a time by a timestamp authority" in told
    assert "past its expiry is reported and used" in told
    domains = replace(POLICY.operators, custom_domains=CustomDomains.ALLOW, allowed_domains=frozenset({"com.acme"}))
    assert "com.acme pass whatever their name" in _words(replace(POLICY, operators=domains))


def test_an_audit_is_said_at_the_top() -> None:
    audit = replace(POLICY, mode=Mode.AUDIT)
    assert render_policy(audit, width=100).index("AUDIT") < render_policy(audit, width=100).index("A package is allowed")
    assert "**Audit" in render_policy_as_markdown(audit)


def test_the_text_keeps_to_the_width_and_is_the_same_each_time() -> None:
    text = render_policy(POLICY, width=60)
    assert text == render_policy(POLICY, width=60)
    assert all(len(line) <= 80 for line in text.splitlines())


def test_foreign_text_can_neither_forge_lines_nor_markup() -> None:
    hostile = replace(POLICY, name="a\n# b", description="[x](javascript:y) <b>\n\nmore")
    assert "\n# b" not in render_policy(hostile, width=100)
    markdown = render_policy_as_markdown(hostile)
    assert "\n# b" not in markdown
    assert "[x](" not in markdown
    assert "\\<b\\>" in markdown
    assert "## " not in render_policy_as_markdown(replace(POLICY, description="")).partition("## ")[0]


def test_numbers_are_said_exactly() -> None:
    assert [exact_bytes(n) for n in (0, 1, 1024, 1536, 3 * 2**20, 2**31)] == [
        "0 bytes",
        "1 bytes",
        "1 KiB",
        "1536 bytes",
        "3 MiB",
        "2 GiB",
    ]
    assert [span(timedelta(seconds=n)) for n in (86400, 129600, 90 * 60, 60, 61)] == [
        "1 day",
        "36 hours",
        "90 minutes",
        "1 minute",
        "61 seconds",
    ]
    assert policy_words.either(["a"]) == "a"
    assert policy_words.either(["a", "b", "c"]) == "a, b or c"
