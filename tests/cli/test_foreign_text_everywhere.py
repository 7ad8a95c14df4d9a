"""Text of a policy that a stranger wrote is no command to a runner, no markup and no mention, whichever command prints it."""

import re

import pytest
from making import make_key, make_package, write_policy

WORDS = "::error::pwn ]]> | `id` ##[error] <img src=x> @acme #1 [a](b) **b** "
LONG = WORDS + "wwwwwww " * 5 + WORDS + "wwww " * 9 + WORDS * 3
COMMAND = re.compile(r"^\s*::|##\[", re.MULTILINE)
OURS = re.compile(r"^::(error|warning|notice) (file=[^,:]*,)?(line=[0-9]+,col=[0-9]+,)?title=[\w. -]+::", re.MULTILINE)
REST = f"""description: "{LONG}"
versions: {{rollback: deny}}
model: {{max_nodes: 1}}
revoked: [{{name: pkg, reason: "{LONG}"}}]
"""


@pytest.fixture(autouse=True)
def package(tmp_path):
    pair = make_key()
    make_package(tmp_path, name="pkg", signers=[pair])
    write_policy(tmp_path, {"g ::error::x": (1, [pair.public]), "never ::error::x": (1, [make_key().public])}, rest=REST)


@pytest.mark.parametrize(
    "args", [("verify", "pkg", "--policy", "policy.yaml", "--why-not"), ("policy", "explain", "policy.yaml")]
)
def test_no_line_of_text_is_a_command_however_wide_the_terminal_is(run, monkeypatch, args):
    for columns in (20, 75, 100):
        monkeypatch.setenv("COLUMNS", str(columns))
        done = run(*args)
        assert "pwn" in done.out
        assert not COMMAND.search(done.out + done.err)


def test_a_policy_as_markdown_calls_nobody_and_is_no_markup(run):
    done = run("policy", "explain", "policy.yaml", "--format", "markdown")
    assert done.code == 0
    assert not COMMAND.search(done.out)
    words = done.out.partition("## Signers")[0]
    assert "@<!-- -->acme" in words
    assert not re.search(r"(?<!\w)@\w|#1", words)
    assert not re.search(r"(?<!\\)[\[|*]|(?<!\\)<(?!!--)", words.replace("## ", ""))


def test_remarks_and_results_of_cases_are_no_commands(run, tmp_path):
    (tmp_path / "bad.yaml").write_text((tmp_path / "policy.yaml").read_text() + '"::error::x ##[error] %0A": 1\n')
    text, annotations = run("policy", "check", "bad.yaml"), run("policy", "check", "bad.yaml", "-f", "github")
    assert not COMMAND.search(text.out)
    assert "##[" not in annotations.out
    assert len(OURS.findall(annotations.out)) == len(annotations.out.splitlines()) == 1
    (tmp_path / "cases.yaml").write_text('- {name: "::error::x ##[group]", package: pkg, expect: allow}\n')
    done = run("policy", "test", "policy.yaml", "cases.yaml")
    assert done.code == 1
    assert not COMMAND.search(done.out)


def test_lines_of_an_audit_log_are_no_commands(run):
    run("verify", "pkg", "--policy", "policy.yaml", "--audit-log", "audit.log")
    done = run("audit", "show", "audit.log")
    assert done.code == 0
    assert not COMMAND.search(done.out)
