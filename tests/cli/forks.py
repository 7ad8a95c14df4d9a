"""Runs command lines in forks of one process that has done the imports: the same ``main``, without the start-up.

Reads one JSON object a line (``argv``, ``cwd``, ``env``, ``out``, ``err``) and answers each with the exit code.
"""

import contextlib
import io
import json
import os
import sys

import typer.main

import mlsign.actions.inspection.findings
import mlsign.actions.inspection.inspect
import mlsign.actions.packing.pack
import mlsign.actions.signing.keygen
import mlsign.actions.signing.sign
import mlsign.actions.verification.admit
import mlsign.actions.verification.gate
import mlsign.cli.main
import mlsign.report.as_json
import mlsign.report.as_sarif
import mlsign.report.as_text
import mlsign.report.findings_as_json
import mlsign.report.findings_as_text
import mlsign.report.inspection_as_text


def run(job: dict) -> None:
    os.chdir(job["cwd"])
    os.environ.update(job["env"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    out, err = (os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) for name in ("out", "err"))
    for place, fd in enumerate((nothing, out, err)):
        os.dup2(fd, place)
    os.closerange(3, 64)
    sys.argv = ["mlsign", *job["argv"]]
    mlsign.cli.main.main()


def serve() -> None:
    # Once in this process, for what is imported when options are first read.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        typer.main.get_command(mlsign.cli.main.app)(["verify", "--help"], standalone_mode=False)
    # Unbuffered, so that no fork inherits a half-read line.
    jobs = os.fdopen(0, "rb", buffering=0, closefd=False)
    while line := jobs.readline():
        child = os.fork()
        if child == 0:
            run(json.loads(line))
            return
        _, status = os.waitpid(child, 0)
        os.write(1, b"%d\n" % os.waitstatus_to_exitcode(status))


serve()
