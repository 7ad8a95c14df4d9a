"""What ``inspect --html`` does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mlsign.cli.console import progress, say
from mlsign.cli.report_files import clear_files, write_file
from mlsign.errors import shown

if TYPE_CHECKING:
    from mlsign.actions.policies.verify_policy import PolicyTrust


def write_portrait(
    path: Path,
    html: Path,
    *,
    policy: Path | None,
    signed: PolicyTrust | None,
    previous: Path | None = None,
    store: Path | None = None,
) -> None:
    """Writes the page at ``html``, whole or not at all; exits by the decision where a policy decides."""
    from importlib.metadata import version

    from mlsign.actions.inspection.portray import PortrayRequest, portray
    from mlsign.policy.model import Verdict
    from mlsign.report.html.portrait import render_portrait

    clear_files([html], option="--html", packages=[path] if previous is None else [path, previous], read=[policy])
    request = PortrayRequest(previous=previous, store=store)
    if policy is not None:
        from mlsign.actions.policies.load_policies import load_policies
        from mlsign.actions.verification.verify import VerifyRequest

        first, *others = load_policies([policy], signed=signed)
        request = replace(request, verify=VerifyRequest(policy=first, others=tuple(others), store=store))
    # Verifying reads every byte, and looking at weights most of them again.
    read = [path] if policy is None else [path, path]
    with progress("inspecting", *read, *([] if previous is None else [previous])) as advance:
        portrait = portray(path, request, advance=advance)
    write_file(html, render_portrait(portrait, version=version("mlsign")))
    say(f"mlsign: {shown(html)} written")
    if portrait.report is not None and portrait.report.decision.enforced_verdict is not Verdict.ALLOW:
        raise typer.Exit(1)
