"""``mlsign pack``."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mlsign.cli.console import progress, put, say
from mlsign.cli.golden_options import NO_GOLDEN, GoldenOptions, say_golden
from mlsign.cli.option_groups import with_option_groups
from mlsign.cli.options import Quiet, Verbose
from mlsign.errors import InputError, shown
from mlsign.strict import decode_decimal

if TYPE_CHECKING:
    from mlsign.interface import OperatorId

HELP = """Pack an ONNX model into a package: a folder with the model, its weights and a manifest.

Packing the same input twice gives the same bytes. The package appears whole or not at all, and nothing is
ever overwritten. With --store, files that were packed before are not copied again, nor read where nobody has
touched them since: the package gets further names of the files in the store, which are not to be written to.

With golden data the model is run, confined as by score: whoever verifies the package can then see that it still answers so.

Example:

\b
  mlsign pack fraud.onnx -o fraud-1.2.0 --license Apache-2.0 --include MODEL_CARD.md --golden-from rows.csv
"""

_MAX_WEIGHTS_SHOWN: Final = 20


@with_option_groups
def pack_command(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="The ONNX file. Weights in other files are found from it, in its own folder.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="The package to make; NAME-VERSION also names the release.")
    ],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Name of the model. Default: from the output.")] = None,
    version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Version (SemVer). Default: from the output, else 0.1.0.")
    ] = None,
    license_: Annotated[str | None, typer.Option("--license", metavar="SPDX", help="SPDX licence expression.")] = None,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="One line about the model.")] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SET|OPERATOR",
            help="Operator set or domain:Operator that this release may contain. Default: exactly what it uses.",
        ),
    ] = None,
    golden: GoldenOptions = NO_GOLDEN,
    provenance: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON with source_repository, source_commit, builder, ...")
    ] = None,
    previous: Annotated[
        Path | None,
        typer.Option("--previous", metavar="PACKAGE", help="The release before this one, whose digest the manifest then names."),
    ] = None,
    include: Annotated[
        list[Path] | None, typer.Option(metavar="PATH", help="A further file or folder, such as a model card.")
    ] = None,
    digest: Annotated[str, typer.Option(metavar="ALGORITHM", help="sha256, blake3, or auto: blake3 from 256 MiB on.")] = "auto",
    store: Annotated[
        Path | None,
        typer.Option(
            "--store", metavar="DIR", help="Share files of 1 MiB and more with other packages; made where there is none."
        ),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parses, packs, says what was made."""
    from mlsign.actions.packing.pack import PackRequest, pack
    from mlsign.digest import decode_algorithm
    from mlsign.formats.manifest import Role
    from mlsign.words import counted, size

    request = PackRequest(
        model=model,
        output=output,
        name=name,
        version=version,
        license=license_,
        description=description,
        allow=tuple(allow or ()),
        sets=_operator_sets() if allow else {},
        golden=tuple(golden.golden or ()),
        golden_request=golden.request(),
        rtol=golden.rtol,
        atol=golden.atol,
        provenance=provenance,
        previous=previous,
        include=tuple(include or ()),
        algorithm=None if digest == "auto" else decode_algorithm(digest, where="--digest"),
        time=_source_date_epoch(),
        store=store,
    )
    # The release before is hashed first.
    with progress("packing", model.parent, *(() if previous is None else (previous,))) as advance:
        packed = pack(request, advance=advance)
    manifest = packed.manifest
    # A model names its weights itself, so whoever packs it should see which files that made public.
    weights = [entry for entry in manifest.files if entry.role is Role.WEIGHTS]
    for entry in weights[:_MAX_WEIGHTS_SHOWN]:
        say(f"weights: {shown(entry.path)}, {size(entry.size)}")
    if len(weights) > _MAX_WEIGHTS_SHOWN:
        say(f"weights: {counted(len(weights) - _MAX_WEIGHTS_SHOWN, 'more file')}")
    say_golden(packed.golden)
    say(
        f"packed {manifest.name} {manifest.version}: {counted(len(manifest.files), 'file')}, {size(packed.bytes)}, {manifest.algorithm.value}"
    )
    if manifest.previous is not None:
        say(f"comes after {manifest.previous.version}, {manifest.previous.digest}")
    say(f"next: mlsign sign {packed.path} --key KEY")
    put(str(packed.path))


def _source_date_epoch() -> datetime | None:
    """The packing time that the caller fixed (https://reproducible-builds.org/specs/source-date-epoch)."""
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    try:
        return datetime.fromtimestamp(decode_decimal(text, maximum=253402300799), UTC)
    except InputError as err:
        raise InputError("is not a number of seconds", code="usage.time", where="SOURCE_DATE_EPOCH", found=text) from err


def _operator_sets() -> dict[str, frozenset[OperatorId]]:
    from mlsign.actions.policies.read_policy import load_operator_sets

    return load_operator_sets()
