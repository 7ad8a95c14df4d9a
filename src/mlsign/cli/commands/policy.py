"""``mlsign policy``: the commands that look at policies. Each is in a module of its own and named here."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import typer

from mlsign.cli.late_commands import LateGroup

HELP: Final = """Check, explain, test, start and sign policies.

Example:

\b
  mlsign policy init --package fraud-1.2.0 --key keys/release.pub -o policy.yaml
  mlsign policy check policy.yaml
  mlsign policy explain policy.yaml
  mlsign policy test policy.yaml cases.yaml
  mlsign policy sign policy.yaml --key keys/policy.key
"""


class _Commands(LateGroup):
    table = MappingProxyType(
        {
            "check": ("policy_check:policy_check_command", "Find errors, and what is likely not meant."),
            "explain": ("policy_explain:policy_explain_command", "Say in sentences what a policy asks for."),
            "test": ("policy_test:policy_test_command", "Try a policy on packages and recorded evidence."),
            "init": ("policy_init:policy_init_command", "Write a policy to start from."),
            "sign": ("policy_sign:policy_sign_command", "Sign a policy."),
        }
    )


app = typer.Typer(cls=_Commands, help=HELP, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """A group, whose commands are named above."""
