"""Whom a certificate may name for a token: what the rules say, what an instance may have been set up for, and nobody else."""

import pytest

from mlsign.errors import TrustError
from mlsign.signers.token_claims import check_subject

GITHUB = "https://token.actions.githubusercontent.com"
PERSON = {"iss": "https://oauth2.sigstore.dev/auth", "sub": "CgYx", "email": "dev@example.com"}
REF = "acme/fraud/.github/workflows/release.yml@refs/tags/v1"
WORKFLOW = {"iss": GITHUB, "sub": "repo:acme/fraud:ref:refs/tags/v1", "job_workflow_ref": REF}
ENTERPRISE = WORKFLOW | {"iss": "https://ghe.example/_services/token"}
PIPELINE = {
    "iss": "https://gitlab.com",
    "sub": "project_path:acme/fraud",
    "ci_config_ref_uri": "gitlab.com/acme/f//.gitlab-ci.yml@refs/heads/main",
}
SERVICE = {"iss": "https://allow.pub", "sub": "spiffe://example.com/builder"}
OTHER = {"iss": "https://agent.buildkite.com", "sub": "organization:acme:pipeline:fraud"}


@pytest.mark.parametrize(
    ("claims", "subject"),
    [
        (PERSON, "dev@example.com"),
        (PERSON, "CgYx!example.com"),
        (PERSON, "https://oauth2.sigstore.dev/auth/CgYx"),
        (WORKFLOW, f"https://github.com/{REF}"),
        (ENTERPRISE, f"https://ghe.example/{REF}"),
        (PIPELINE, "https://gitlab.com/acme/f//.gitlab-ci.yml@refs/heads/main"),
        (SERVICE, "spiffe://example.com/builder"),
        (OTHER, "https://buildkite.com/acme/fraud"),
        ({"iss": "x", "sub": ["no", "text"], "email": 5}, "dev@example.com"),
    ],
)
def test_the_one_who_is_named(claims, subject):
    check_subject(subject, claims)


@pytest.mark.parametrize(
    ("claims", "subject"),
    [
        (PERSON, "ceo@acme.example"),
        (PERSON, "Dev@example.com"),
        (PERSON, "dev@example.com.evil.example"),
        (PERSON, "ceo!example.com"),
        (PERSON | {"sub": ""}, "ceo!example.com"),
        (PERSON | {"sub": ""}, "ceo@acme.example"),
        (PERSON, f"https://github.com/{REF}"),
        (WORKFLOW, f"https://ghe.example/{REF}"),
        (WORKFLOW, f"https://github.com/{REF}0"),
        (WORKFLOW, "dev@example.com"),
        (ENTERPRISE, f"https://ghe.example/more/{REF}"),
        (ENTERPRISE, f"http://ghe.example/{REF}"),
        (PIPELINE, "https://gitlab.com/acme/g//.gitlab-ci.yml@refs/heads/main"),
        (SERVICE, "spiffe://example.com/other"),
    ],
)
def test_somebody_else(claims, subject):
    with pytest.raises(TrustError) as caught:
        check_subject(subject, claims)
    assert caught.value.code == "keyless.subject"
    assert caught.value.found == subject
    assert caught.value.expected
