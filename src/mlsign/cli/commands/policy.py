"""``mlsign policy``: the commands that look at policies. Each is in a module of its own and registered here."""

from __future__ import annotations

from typing import Final

import typer

from mlsign.cli.commands import policy_check, policy_explain, policy_init, policy_sign, policy_test

HELP: Final = """Check, explain, test, start and sign policies.

Example:

\b
  mlsign policy init --package fraud-1.2.0 --key keys/release.pub -o policy.yaml
  mlsign policy check policy.yaml
  mlsign policy explain policy.yaml
  mlsign policy test policy.yaml cases.yaml
  mlsign policy sign policy.yaml --key keys/policy.key
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)
app.command("check", help=policy_check.HELP, short_help="Find errors, and what is likely not meant.")(
    policy_check.policy_check_command
)
app.command("explain", help=policy_explain.HELP, short_help="Say in sentences what a policy asks for.")(
    policy_explain.policy_explain_command
)
app.command("test", help=policy_test.HELP, short_help="Try a policy on packages and recorded evidence.")(
    policy_test.policy_test_command
)
app.command("init", help=policy_init.HELP, short_help="Write a policy to start from.")(policy_init.policy_init_command)
app.command("sign", help=policy_sign.HELP, short_help="Sign a policy.")(policy_sign.policy_sign_command)
