"""Everything on docs/performance.md, measured side by side in one run: prints the blocks of the page, and writes them.

A section is one program of this folder, which prints its block when it is run alone; named here, only those are renewed.
Children have the environment of a shell, and programs their bytecode. ``--quick`` does very little of everything, and leaves the page.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before onnxruntime is imported: it writes files and starts a thread otherwise

from admit import print_admit
from contenders import ROOT
from goals import MET, MISSED
from incremental import print_incremental
from inspection import print_inspection
from looking import print_looking
from many_bytes import print_many_bytes
from many_files import print_many_files
from page import PAGE, LeftOut, check_places, heading, machine, printed, progress, row, write_block
from policy import print_policy
from sandbox import print_sandbox
from scale import print_scale
from serving import print_serving
from signing import print_signing
from startup import print_startup_table
from workbench import Workbench, workbench

SECTIONS: Mapping[str, Callable[[Workbench], None]] = {
    "many_bytes": print_many_bytes,
    "many_files": print_many_files,
    "admit": print_admit,
    "startup": lambda bench: print_startup_table(quick=bench.quick),
    "incremental": print_incremental,
    "looking": print_looking,
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
    check_places(PAGE, [WHOLE, *map(program, SECTIONS)])
    seconds: dict[str, float] = {}
    blocks: dict[str, str] = {}
    with workbench(quick=options.quick, where=options.dir, pictures=page and page.parent) as bench:
        for name in options.sections or SECTIONS:
            started = time.monotonic()
            progress(f"== {name}")
            blocks[name] = made(name, bench)
            seconds[name] = time.monotonic() - started
            progress(f"== {name} took {seconds[name]:.0f} s")
            if page:
                write_block(page, program(name), blocks[name])
    if not options.sections:
        whole = overview(seconds, blocks)
        if page:
            write_block(page, WHOLE, whole)


def program(name: str) -> str:
    return f"python bench/{name}.py"


def made(name: str, bench: Workbench) -> str:
    """The block of a section: the command that prints it, and what it printed, or why it was left out."""
    with printed() as block:
        try:
            SECTIONS[name](bench)
        except LeftOut as reason:
            print(f"Left out of this run: {reason}.")
    return f"    $ {program(name)}{' --pictures docs' if name in PICTURES else ''}\n\n{block.text}"


def overview(seconds: Mapping[str, float], blocks: Mapping[str, str]) -> str:
    """What it was run on, how long each section took, and what came of its goals."""
    with printed() as block:
        print(f"    $ {WHOLE}\n    {machine()}")
        heading("section", "takes", "goals met", "not met")
        for name, taken in seconds.items():
            row(name.replace("_", " "), f"{taken:.0f} s", *count_goals(blocks[name]))
        row("all", f"{sum(seconds.values()) / 60:.1f} minutes", *count_goals("".join(blocks.values())))
    return block.text


def count_goals(block: str) -> tuple[str, str]:
    """How many are met, and how many are not; nothing where there are none."""
    met, missed = block.count(f": {MET}"), block.count(f": {MISSED}")
    return (str(met), str(missed)) if met + missed else ("", "")


if __name__ == "__main__":
    main()
