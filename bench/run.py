"""Everything on docs/performance.md, measured side by side in one run: prints the blocks of the page, and writes them.

A section is one program of this folder, which prints its block when it is run alone; named here, only those are renewed.
Children have the environment of a shell, and programs their bytecode. ``--quick`` does very little of everything, and leaves the page.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before onnxruntime is imported: it writes files and starts a thread otherwise

from admit import print_admit
from contenders import ROOT
from inspection import print_inspection
from many_bytes import print_many_bytes
from many_files import print_many_files
from page import PAGE, LeftOut, heading, machine, printed, progress, row, write_block
from policy import print_policy
from sandbox import print_sandbox
from scale import print_scale
from serving import print_serving
from signing import print_signing
from workbench import Workbench, workbench

SECTIONS: Mapping[str, Callable[[Workbench], None]] = {
    "many_bytes": print_many_bytes,
    "many_files": print_many_files,
    "admit": print_admit,
    "signing": lambda bench: print_signing(quick=bench.quick),
    "policy": lambda bench: print_policy(quick=bench.quick),
    "sandbox": lambda bench: print_sandbox(quick=bench.quick),
    "serving": lambda bench: print_serving(quick=bench.quick),
    "scale": print_scale,
    "inspection": print_inspection,
}
"""In the order in which they run: what needs the largest model first, so that it is made once."""
PICTURES = frozenset({"scale", "inspection"})
WHOLE = "make bench"


def main() -> None:
    """Measures, prints, and unless it is quick changes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"only these, of {', '.join(SECTIONS)}")
    parser.add_argument(
        "--quick", action="store_true", help="very little of everything: to see that it works; no page is written"
    )
    parser.add_argument("--dir", type=Path, default=ROOT, help="where to make the temporary folder; it is removed at the end")
    options = parser.parse_args()
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"there is no section {', '.join(sorted(unknown))}")
    page = None if options.quick else PAGE
    seconds = {}
    with workbench(quick=options.quick, where=options.dir, pictures=page and page.parent) as bench:
        for name in options.sections or SECTIONS:
            started = time.monotonic()
            progress(f"== {name}")
            block = made(name, bench)
            seconds[name] = time.monotonic() - started
            progress(f"== {name} took {seconds[name]:.0f} s")
            if page:
                write_block(page, f"python bench/{name}.py", block)
    if not options.sections:
        block = overview(seconds)
        if page:
            write_block(page, WHOLE, block)


def made(name: str, bench: Workbench) -> str:
    """The block of a section: the command that prints it, and what it printed, or why it was left out."""
    command = f"    $ python bench/{name}.py{' --pictures docs' if name in PICTURES else ''}\n\n"
    with printed() as block:
        try:
            SECTIONS[name](bench)
        except LeftOut as reason:
            print(f"Left out of this run: {reason}.")
    return command + block.text


def overview(seconds: Mapping[str, float]) -> str:
    """What it was run on, and how long each section took."""
    with printed() as block:
        print(f"    $ {WHOLE}\n    {machine()}")
        heading("section", "takes")
        for name, taken in seconds.items():
            row(name.replace("_", " "), f"{taken:.0f} s")
        row("all", f"{sum(seconds.values()) / 60:.1f} minutes")
    return block.text


if __name__ == "__main__":
    sys.exit(main())
