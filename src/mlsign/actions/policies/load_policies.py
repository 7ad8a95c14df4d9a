"""Several policies, from files and folders, of which one will be for a package."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlsign.actions.policies.load_policy import LoadedPolicy, load_policy
from mlsign.errors import InputError, OutsideError, shown
from mlsign.limits import DEFAULT, Limits

if TYPE_CHECKING:
    from mlsign.actions.policies.verify_policy import PolicyTrust

MAX_POLICIES: Final = 64
_ENDINGS: Final = (".yaml", ".yml")


def load_policies(
    paths: Iterable[Path], *, trust_root: Path | None = None, signed: PolicyTrust | None = None, limits: Limits = DEFAULT
) -> tuple[LoadedPolicy, ...]:
    """Every policy that ``paths`` name, at least one; a folder stands for its files that end in .yaml or .yml.

    Raises what ``load_policy`` raises, for the first that is wrong: a policy left out would be one rival less.
    ``InputError`` (``policy.folder``) for a folder without policies, ``policy.count`` for none or too many.
    """
    files = [file for path in paths for file in policy_files(path)]
    if not 1 <= len(files) <= MAX_POLICIES:
        count = len(files) if len(files) <= MAX_POLICIES else f"more than {MAX_POLICIES}"
        raise InputError(
            f"{count} policies were given, allowed are 1 to {MAX_POLICIES}",
            code="policy.count",
            expected=f"1 to {MAX_POLICIES}",
            hint="give the folder that holds the policies for this package, or name the files",
        )
    return tuple(load_policy(file, trust_root=trust_root, signed=signed, limits=limits) for file in files)


def policy_files(path: Path) -> list[Path]:
    """The file itself, or the policies in a folder in the order of their names. Raises as ``load_policies``."""
    if not os.path.isdir(path):  # noqa: PTH112 - which never raises: who opens it says what is wrong
        return [path]
    names: list[str] = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.endswith(_ENDINGS):
                    names.append(entry.name)
                if len(names) > MAX_POLICIES:
                    break
    except OSError as err:
        raise OutsideError(f"cannot be listed: {err.strerror}", code="policy.unlisted", where=shown(path)) from err
    if not names:
        raise InputError(
            "is a folder without a policy",
            code="policy.folder",
            where=shown(path),
            expected="files that end in .yaml or .yml",
            hint="name the policy file itself",
        )
    return [path / name for name in sorted(names)]
