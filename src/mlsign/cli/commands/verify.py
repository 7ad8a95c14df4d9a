"""``mlsign verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlsign.cli.commands._signer_options import NOBODY, SignerOptions
from mlsign.cli.commands._signing import say_attested
from mlsign.cli.console import progress, put
from mlsign.cli.option_groups import with_option_groups
from mlsign.cli.options import (
    AcceptVsa,
    AuditLogFile,
    AuditLogSize,
    PolicyFiles,
    Quiet,
    RecordFile,
    ReportFiles,
    ReportFormat,
    ReportFormatOption,
    SignatureFiles,
    StoreFolder,
    TrustRootFile,
    Verbose,
    WhyNotFlag,
    audit_log,
    check_record,
    check_why,
)
from mlsign.cli.policy_options import NO_POLICY_SIGNER, PolicySignerOptions
from mlsign.cli.rendering import reasons_of, render
from mlsign.cli.report_files import append_summary, clear_places, decode_places, say_audited, write_reports

if TYPE_CHECKING:
    from mlsign.actions.signing.load_signer import SignerRequest
    from mlsign.actions.verification.verify import Report, VerifyRequest

HELP = """Verify a package under a policy: who signed it, whether a byte changed, what the model may do.

Exit code 0 is allow, 1 is deny. Whatever could not be checked counts against the package.

With --attest, a package that is allowed gets a signed verification summary (SLSA VSA). The options that say who
signs it are those of mlsign sign. With --accept-vsa, such a summary may stand in for signatures, where the policy
says whose and how old; everything else is checked as ever, and every byte is hashed.

Example:

\b
  mlsign verify fraud-1.2.0 --policy policy.yaml --format json
  mlsign verify fraud-1.2.0 --policy policy.yaml --attest --key keys/gate.key
  mlsign verify fraud-1.2.0 --policy policy.yaml --accept-vsa keys/gate.pub
  mlsign verify fraud-1.2.0 --policy policy.yaml --format github --report sarif=mlsign.sarif
"""
_OUTPUT = "Write the summary here, and not into signatures/ of the package."
_ASTRAY = "the options that say who signs go with --attest"


@with_option_groups
def verify_command(
    package: Annotated[Path, typer.Argument(metavar="PACKAGE", help="The package, or a folder or file that others signed.")],
    policy: PolicyFiles,
    signature: SignatureFiles = None,
    trust_root: TrustRootFile = None,
    policy_signers: PolicySignerOptions = NO_POLICY_SIGNER,
    audit_log_file: AuditLogFile = None,
    audit_log_size: AuditLogSize = 64,
    output_format: ReportFormatOption = ReportFormat.TEXT,
    reports: ReportFiles = None,
    record: RecordFile = None,
    why: WhyNotFlag = False,
    accept_vsa: AcceptVsa = None,
    attest: Annotated[bool, typer.Option("--attest", help="Say in a signed summary that the package was allowed.")] = False,
    attest_output: Annotated[Path | None, typer.Option("--attest-output", metavar="FILE", help=_OUTPUT)] = None,
    signer_options: SignerOptions = NOBODY,
    store: StoreFolder = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parses, verifies, prints the report, exits by the decision."""
    from mlsign.actions.audit.recording import recording
    from mlsign.actions.policies.load_policies import load_policies
    from mlsign.actions.verification.verify import VerifyRequest
    from mlsign.policy.model import Verdict

    signer = signer_options.request() if attest or signer_options.are_given else None
    if not attest and (signer_options.are_given or attest_output is not None):
        raise typer.BadParameter(_ASTRAY)
    check_record(record, trust_root, package=package)
    check_why(output_format, why=why)
    places = decode_places(reports or ())
    read = (
        *policy,
        trust_root,
        audit_log_file,
        record,
        attest_output,
        *signer_options.files,
        *(signature or ()),
    )
    clear_places(places, package=package, read=read)
    log = audit_log(audit_log_file, size=audit_log_size, caller="mlsign verify")
    with recording(package, log):
        signed = policy_signers.trusted(policy[0])
        first, *others = load_policies(policy, trust_root=trust_root, signed=signed)
    request = VerifyRequest(
        policy=first,
        others=tuple(others),
        signatures=tuple(signature or ()),
        accept=tuple(accept_vsa or ()),
        audit=log,
        store=store,
    )
    report = _verify(package, request, signer, output=attest_output)
    if record is not None:
        from mlsign.actions.verification.record_evidence import write_record

        write_record(report, record)
    write_reports(report, places)
    if output_format is ReportFormat.GITHUB:
        append_summary(report)
    # With --quiet the exit code is the answer.
    if not quiet or output_format is not ReportFormat.TEXT:
        put(render(report, output_format, why_not=reasons_of(report) if why else None))
    say_audited(report)
    raise typer.Exit(0 if report.decision.enforced_verdict is Verdict.ALLOW else 1)


def _verify(package: Path, request: VerifyRequest, signer: SignerRequest | None, *, output: Path | None) -> Report:
    """The report; with a signer, after a summary was written of what it allows."""
    if signer is None:
        from mlsign.actions.verification.verify import verify

        with progress("verifying", package) as advance:
            return verify(package, request, advance=advance)
    from mlsign.actions.signing.load_signer import open_signer
    from mlsign.actions.verification.attest_verdict import attest_verdict

    with open_signer(signer) as opened, progress("verifying", package) as advance:
        attested = attest_verdict(package, request, opened, output=output, advance=advance)
    say_attested(attested)
    return attested.report
