"""What a machine says about itself that confinement depends on: its kernel, its settings, its cgroup.

Facts only, read from ``/proc`` and ``/sys``; nothing is started and nothing is changed. What is really in force is
seen by a worker that confines itself.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from mlsign.sandbox import landlock

_CGROUPS: Final = Path("/sys/fs/cgroup")
_UNLIMITED: Final = 1 << 60
"""From here on a limit of cgroup version 1 is none: it spells "none" as the largest multiple of a page."""

_SETTINGS: Final = (
    ("user.max_user_namespaces", "0"),
    ("kernel.unprivileged_userns_clone", "0"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1"),
)
"""Settings that forbid user namespaces, and the value with which they do: everywhere, on Debian, and on Ubuntu."""

_IMAGES: Final[Mapping[str, str]] = MappingProxyType(
    {"x86_64": "amd64", "i386": "386", "i686": "386", "aarch64": "arm64", "armv7l": "arm/v7", "armv6l": "arm/v6"}
)
"""What the kernel calls an architecture, and what container images call it, where these differ."""
_MAX_PROCESSOR: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting of the kernel (``sysctl``) and its value."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine. ``landlock`` is the version of Landlock, 0 where there is none; ``cgroup_memory`` the limit in bytes that a
    cgroup sets to the memory of this process, None where none does; ``runsc`` where gVisor's program lies, or nothing.
    ``limiting`` are the settings that forbid user namespaces to this user; ``filtered`` says that a system call filter is in
    force for this very process already, as in containers.
    """

    system: str
    kernel: str
    architecture: str
    user: int
    landlock: int
    limiting: tuple[Setting, ...]
    filtered: bool
    cgroup_memory: int | None
    runsc: str


def read_machine() -> Machine:
    """The machine that this runs on, as far as it tells."""
    uname = os.uname()
    return Machine(
        system=sys.platform,
        kernel=uname.release,
        architecture=uname.machine,
        user=os.geteuid(),
        landlock=_landlock(),
        limiting=tuple(limiting_settings()),
        filtered=_status().get("Seccomp", "0") != "0",
        cgroup_memory=cgroup_memory(),
        runsc=shutil.which("runsc") or "",
    )


def platform_name() -> str:
    """System and architecture of this machine as container images spell them: ``linux/amd64``."""
    machine = os.uname().machine.lower()
    return f"{sys.platform}/{_IMAGES.get(machine, machine)}"


def processor_name(*, info: Path = Path("/proc/cpuinfo")) -> str:
    """The model of the first processor as the kernel tells it, by numbers where it has no name; empty where it tells nothing."""
    first: dict[str, str] = {}
    for line in _read(info).splitlines():
        name, colon, value = line.partition(":")
        if colon and value.strip():
            first.setdefault(name.strip().casefold(), " ".join(value.split()))
    for known in ("model name", "cpu model", "processor model"):
        if known in first:
            return first[known][:_MAX_PROCESSOR]
    # ARM says who made it and which part it is: 0x41 and 0xd0c are a Neoverse N1.
    numbers = [f"{name.removeprefix('cpu ')} {first[name]}" for name in ("cpu implementer", "cpu part") if name in first]
    return ", ".join(numbers)[:_MAX_PROCESSOR]


def _landlock() -> int:
    try:
        return landlock.abi()
    except (OSError, AttributeError):  # another system has no such call, or no table of calls at all
        return 0


def _read(path: Path) -> str:
    """What a file of the kernel's says, empty where there is none or it is not for us."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def limiting_settings(*, root: Path = Path("/proc/sys")) -> list[Setting]:
    """Settings under ``root`` that forbid user namespaces. Those with "unprivileged" in their name do not bind root."""
    found = ((name, _read(root.joinpath(*name.split(".")))) for name, _ in _SETTINGS)
    forbidding = dict(_SETTINGS)
    return [
        Setting(name=name, value=value)
        for name, value in found
        if value == forbidding[name] and not ("unprivileged" in name and os.geteuid() == 0)
    ]


def _status() -> dict[str, str]:
    lines = _read(Path("/proc/self/status")).splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def cgroup_memory(*, membership: Path = Path("/proc/self/cgroup"), root: Path = _CGROUPS) -> int | None:
    """The smallest limit on memory of the cgroup of this process and of those above it, None where there is none."""
    limits = []
    for line in _read(membership).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            limits += _limits(root, path, name="memory.max")
        elif "memory" in controllers.split(","):
            limits += _limits(root / "memory", path, name="memory.limit_in_bytes")
    return min(limits, default=None)


def free_memory(*, info: Path = Path("/proc/meminfo")) -> int | None:
    """The bytes that a program can take before others have to make room, as the kernel estimates them; None where it does not."""
    for line in _read(info).splitlines():
        name, _, rest = line.partition(":")
        number = rest.strip().removesuffix(" kB")
        if name == "MemAvailable" and number.isascii() and number.isdigit():
            return int(number) * 1024
    return None


def _limits(root: Path, path: str, *, name: str) -> list[int]:
    folder = root / path.lstrip("/")
    folders = [folder, *(parent for parent in folder.parents if parent.is_relative_to(root))]
    # In a container the path can be that of the machine outside: then the root of what is seen here is its own.
    texts = (_read(one / name) for one in [*folders, root])
    return [int(text) for text in texts if text.isascii() and text.isdigit() and int(text) < _UNLIMITED]
