"""``mlsign policy sign`` and the options that ask for a signed policy, as a person types them."""

import json
import os

import pytest
from making import make_key, write_policy

ASKED = ("--policy-key", "policy.pub")


@pytest.fixture
def here(tmp_path, package, keys):
    """The package, a policy for it, and the key of whoever looks after policies, in one folder."""
    pair = make_key()
    (tmp_path / "policy.key").write_bytes(pair.private)
    (tmp_path / "policy.pub").write_bytes(pair.public)
    (tmp_path / "rows.json").write_text('{"x": [[1, 2, 3, 4]]}')
    write_policy(tmp_path, {"release": (1, [keys.release.public])}, rest="revision: 2\n")
    return tmp_path


@pytest.fixture
def state(tmp_path):
    return {"MLSIGN_STATE": str(tmp_path / "state")}


def every_use(package):
    return (
        ("verify", package, "--policy", "policy.yaml"),
        ("score", package, "--policy", "policy.yaml", "--input", "rows.json", "--output", "out.json", "--allow-unsandboxed"),
        ("inspect", "--findings", package, "--policy", "policy.yaml"),
        ("sign", package, "--key", "policy.key", "--policy", "policy.yaml"),
    )


def test_every_command_that_takes_a_policy_asks(run, here, state):
    for argv in every_use("fraud-1.2.0"):
        done = run(*argv, *ASKED, env=state)
        assert (done.code, "the policy policy.yaml is not signed" in done.err) == (1, True), argv
    signed = run("policy", "sign", "policy.yaml", "--key", "policy.key")
    assert (signed.code, signed.out) == (0, "policy.yaml.sigstore.json\n")
    assert "revision 2, and 1 file that it rests on" in signed.err
    for argv in every_use("fraud-1.2.0"):
        assert run(*argv, *ASKED, env=state).code == 0, argv
    (here / "policy.yaml").write_text((here / "policy.yaml").read_text() + "mode: audit\n")
    for argv in every_use("fraud-1.2.0"):
        done = run(*argv, *ASKED, env=state)
        assert (done.code, "was changed after it was signed" in done.err) == (1, True), argv
        assert not (here / "nothing").exists()


def test_a_policy_by_a_key_that_nobody_named_is_told_with_the_key_that_was_asked_for(run, here, state):
    (here / "other.pub").write_bytes(make_key().public)
    assert run("policy", "sign", "policy.yaml", "--key", "policy.key").code == 0
    done = run("verify", "fraud-1.2.0", "--policy", "policy.yaml", "--policy-key", "other.pub", env=state)
    assert (done.code, done.out) == (1, "")
    assert "the policy policy.yaml is signed by a key that nobody named" in done.err
    assert "expected: other.pub" in done.err


def test_the_services_to_sign_with_go_with_keyless(run, here):
    for extra in (("--tuf-url", "https://tuf.example"), ("--tuf-root", "root.json"), ("--trust-config", "c.json")):
        done = run("policy", "sign", "policy.yaml", "--key", "policy.key", *extra)
        assert (done.code, "go with --keyless" in done.err) == (2, True)
    assert not (here / "policy.yaml.sigstore.json").exists()


def test_the_environment_switches_nothing_off(run, here, state):
    noise = {
        f"{prefix}{name}": value
        for prefix in ("", "MLSIGN_", "TYPER_", "MLSIGN_VERIFY_")
        for name in ("POLICY_KEY", "POLICY_IDENTITY", "POLICY_TRUST_ROOT", "SKIP_POLICY_SIGNATURE", "INSECURE", "NO_VERIFY")
        for value in ("", "0", "1")
    }
    done = run("verify", "fraud-1.2.0", "--policy", "policy.yaml", *ASKED, env=noise | state)
    assert done.code == 1


def test_json_has_chain_signer_and_what_is_loosened(run, here, state):
    (here / "child.yaml").write_text(
        "apiVersion: mlsign/v1\nkind: Policy\nname: child\nextends: policy.yaml\nrevision: 1\n"
        "expires: 2090-01-01T00:00:00Z\nmode: audit\nloosens: [{field: mode, reason: a trial \\U0001F600}]\n"
    )
    assert run("policy", "sign", "child.yaml", "--key", "policy.key", "--verbose").code == 0
    done = run("verify", "fraud-1.2.0", "--policy", "child.yaml", *ASKED, "--format", "json", env=state)
    policy = json.loads(done.out)["policy"]
    assert [link["source"] for link in policy["chain"]] == ["child.yaml", "policy.yaml"]
    assert (policy["revision"], policy["expires"]) == (1, "2090-01-01T00:00:00Z")
    assert policy["signer"]["kind"] == "EC P-256"
    assert [(each["field"], each["from"], each["to"]) for each in policy["loosened"]] == [("mode", "enforce", "audit")]
    passed = [f["code"] for f in json.loads(done.out)["findings"] if f["outcome"] == "pass"]
    assert {"MLS430", "MLS431"} <= set(passed)
    text = run("verify", "fraud-1.2.0", "--policy", "child.yaml")
    assert "LOOSENED: child (child.yaml) loosens mode of tests (policy.yaml) from enforce to audit" in text.out
    assert "child (child.yaml) extends tests (policy.yaml)" in text.out
    scan = run("inspect", "--findings", "fraud-1.2.0", "--policy", "child.yaml")
    assert "LOOSENED: child" in scan.out


def test_an_expired_policy_denies_and_finds(run, here):
    (here / "old.yaml").write_text((here / "policy.yaml").read_text() + "expires: 2020-01-01T00:00:00Z\n")
    done = run("verify", "fraud-1.2.0", "--policy", "old.yaml")
    assert (done.code, "MLS431" in done.out, "expired at 2020-01-01T00:00:00Z" in done.out) == (1, True, True)
    scan = run("inspect", "--findings", "fraud-1.2.0", "--policy", "old.yaml")
    assert (scan.code, "MLS431" in scan.out) == (1, True)


WRONG = {
    "no signer": (("policy", "sign", "policy.yaml"), 2, "nothing says who signs"),
    "no such policy": (("policy", "sign", "nothing.yaml", "--key", "policy.key"), 3, "no policy file of this name"),
    "a token without keyless": (("policy", "sign", "policy.yaml", "--identity-token", "x"), 2, "go with --keyless"),
    "a public key": (("policy", "sign", "policy.yaml", "--key", "policy.pub"), 3, "key"),
    "no such key": (("verify", "fraud-1.2.0", "-p", "policy.yaml", "--policy-key", "nothing.pub"), 3, "no key file"),
    "a private key": (("verify", "fraud-1.2.0", "-p", "policy.yaml", "--policy-key", "policy.key"), 3, "key"),
    "half an identity": (
        ("verify", "fraud-1.2.0", "-p", "policy.yaml", "--policy-identity", "a@b.example"),
        2,
        "--policy-issuer",
    ),
    "anybody": (
        ("verify", "fraud-1.2.0", "-p", "policy.yaml", "--policy-identity", "*", "--policy-issuer", "https://x.example"),
        2,
        "matches too much",
    ),
    "a root without an identity": (
        ("verify", "fraud-1.2.0", "-p", "policy.yaml", "--policy-trust-root", "r.json"),
        2,
        "goes with",
    ),
    "no policy to sign for": (("inspect", "--findings", "fraud-1.2.0", *ASKED), 2, "add --policy FILE"),
    "no policy at all": (("sign", "fraud-1.2.0", "--key", "policy.key", *ASKED), 2, "add --policy FILE"),
}


@pytest.mark.parametrize("name", WRONG)
def test_clumsy_and_wrong_uses(run, here, state, name):
    argv, code, words = WRONG[name]
    done = run(*argv, env=state)
    assert (done.code, words in done.err) == (code, True), done


def test_a_disk_that_takes_no_signature(run, here):
    (here / "policy.yaml.sigstore.json").mkdir()
    done = run("policy", "sign", "policy.yaml", "--key", "policy.key")
    assert (done.code, "cannot be written" in done.err) == (4, True)
    assert not [name for name in os.listdir(here) if "partial" in name]


def test_bare_policy_explains_itself(run):
    done = run("policy")
    assert "mlsign policy sign policy.yaml" in done.out + done.err
    helped = run("policy", "sign", "--help")
    assert (helped.code, "Example" in helped.out) == (0, True)
