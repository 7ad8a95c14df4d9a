"""What a container of gVisor holds: the interpreter, the libraries and packages of a worker, read-only, and nothing else.

Facts about this installation, and the bundle that follows from them (``config.json`` of the OCI runtime specification 1.0). Nothing
is started here.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlsign.sandbox.zygote_host import ENVIRONMENT

EMPTY_FOLDER: Final = "/var/empty"
"""The root of a worker that has confined itself; there has to be one that is empty."""

_PACKAGES: Final = ("mlsign", "numpy", "onnxruntime", "rfc8785")
_LOADERS: Final = ("lib*/ld-linux*.so.*", "etc/ld.so.cache")
_LIBRARY_FOLDERS: Final = ("/usr/lib64", "/lib64")
_CAPABILITIES: Final = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_SYS_CHROOT")
"""What the steps of ``confine`` take, within gVisor's own kernel; step 6 gives them up. On the host they mean nothing."""

_ZEROED: Final = ("RLIMIT_CORE", "RLIMIT_MSGQUEUE", "RLIMIT_RTPRIO", "RLIMIT_NICE")
"""Limits that gVisor lets nobody set from inside."""

_READ_ONLY: Final = ["bind", "ro", "nosuid", "nodev"]
_NAMESPACES: Final = ("pid", "network", "ipc", "uts", "mount")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What a worker is made of: the interpreter, folders that modules are looked for in, and all files and folders it reads."""

    interpreter: str
    search: tuple[str, ...]
    sources: tuple[str, ...]


def find_installation() -> Installation:
    """The installation that this process runs from. Raises ``OSError`` where a package is not in a folder of its own."""
    interpreter = Path(sys.executable).resolve()
    packages = [_package(name) for name in _PACKAGES]
    # Wheels put the libraries that they bring along beside the package.
    beside = [libraries for folder in packages if (libraries := folder.with_name(f"{folder.name}.libs")).is_dir()]
    real = {"installed_base": sys.base_prefix, "platbase": sys.base_exec_prefix}  # not those of a virtual environment
    standard = [Path(sysconfig.get_path(kind, vars=real)) for kind in ("stdlib", "platstdlib")]
    sources = _without_nested([interpreter, *standard, *packages, *beside, *_libraries()])
    search = dict.fromkeys(str(folder.parent) for folder in packages)
    return Installation(interpreter=str(interpreter), search=tuple(search), sources=tuple(map(str, sources)))


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    locations = [Path(each) for each in spec.submodule_search_locations or ()] if spec is not None else []
    if len(locations) != 1 or not locations[0].is_dir():
        raise OSError(0, f"{name} does not lie in a folder of its own")
    return locations[0].parent.resolve() / name


def _libraries() -> Iterator[Path]:
    """The loader, the system's folders of shared objects that this very process has loaded, and those that lie elsewhere."""
    for pattern in _LOADERS:
        yield from Path("/").glob(pattern)
    yield from (folder for folder in map(Path, _LIBRARY_FOLDERS) if folder.is_dir() and not folder.is_symlink())
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        path = Path(line.split(maxsplit=5)[-1])
        if path.is_absolute() and ".so" in path.name:
            yield path.parent if path.is_relative_to("/usr") or path.parts[1].startswith("lib") else path


def _without_nested(paths: Iterable[Path]) -> list[Path]:
    """Each path by its real folder, once, and none that lies in another one."""
    real = {path.parent.resolve() / path.name for path in paths}
    return sorted(path for path in real if real.isdisjoint(path.parents))


def write_bundle(folder: Path, installation: Installation, *, module: str) -> None:
    """A bundle whose process runs ``module``, with an empty root to mount on. Raises ``OSError``."""
    root = folder / "root"
    for path in ("proc", "dev", EMPTY_FOLDER.strip("/")):
        (root / path).mkdir(parents=True)
    for other_name in map(Path, ("/lib", "/lib64", "/bin", "/sbin")):  # of /usr/lib and so on, in most systems
        if other_name.is_symlink():
            (root / other_name.name).symlink_to(other_name.readlink())
    for source in map(Path, installation.sources):
        place = root / source.relative_to("/")
        (place if source.is_dir() else place.parent).mkdir(parents=True, exist_ok=True)
        if not source.is_dir():
            place.touch()
    (folder / "config.json").write_text(json.dumps(_config(installation, root=root, module=module)), encoding="utf-8")


def _config(installation: Installation, *, root: Path, module: str) -> dict[str, Any]:
    start = f"import sys; sys.path += {list(installation.search)!r}; import {module} as module; module.main()"
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            # No site packages but those that are given, no variables, no folder of its own.
            "args": [installation.interpreter, "-I", "-S", "-B", "-c", start],
            "env": [f"{name}={value}" for name, value in ENVIRONMENT.items()],
            "cwd": "/",
            "capabilities": {kind: list(_CAPABILITIES) for kind in ("bounding", "effective", "permitted")},
            "noNewPrivileges": True,
            "rlimits": [{"type": name, "hard": 0, "soft": 0} for name in _ZEROED],
        },
        "root": {"path": str(root), "readonly": True},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            *({"destination": path, "type": "bind", "source": path, "options": _READ_ONLY} for path in installation.sources),
        ],
        "linux": {"namespaces": [{"type": kind} for kind in _NAMESPACES]},
    }
