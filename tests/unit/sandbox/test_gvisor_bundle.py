"""What a container of gVisor holds: what a worker loads, read-only, and nothing beside it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlsign.sandbox.gvisor.bundle import EMPTY_FOLDER, Installation, find_installation, write_bundle

pytestmark = [pytest.mark.linux, pytest.mark.skipif(sys.platform != "linux", reason="gVisor needs Linux")]
LOADED = """
import sys
from mlsign.sandbox.onnxruntime.engine import OnnxRuntime
OnnxRuntime().warm()
for module in list(sys.modules.values()):
    if getattr(module, "__file__", None):
        print(module.__file__)
for line in open("/proc/self/maps"):
    if ".so" in line:
        print(line.split(maxsplit=5)[-1].strip())
"""


@pytest.fixture
def bundle(tmp_path):
    """A bundle over two folders and a file, with its configuration."""
    for name in ("packages/one", "packages/two"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "loader").touch()
    sources = tuple(str(tmp_path / name) for name in ("packages/one", "packages/two", "loader"))
    write_bundle(
        tmp_path / "bundle",
        Installation(interpreter="/usr/bin/python", search=("/a b", "/it's"), sources=sources),
        module="some.module",
    )
    return tmp_path, json.loads((tmp_path / "bundle/config.json").read_text())


def test_everything_that_a_worker_loads_is_inside():
    """It is told where to look as a container is, and may see everything."""
    found = find_installation()
    command = [
        found.interpreter,
        "-I",
        "-S",
        "-c",
        LOADED.replace("import sys\n", f"import sys\nsys.path += {list(found.search)!r}\n", 1),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"ORT_DISABLE_TELEMETRY": "1"})
    loaded = [Path(each).resolve() for each in done.stdout.splitlines()]
    sources = [Path(source).resolve() for source in found.sources]
    assert len(loaded) > 100
    assert [each for each in loaded if not any(each.is_relative_to(source) for source in sources)] == []


def test_nothing_else_is_inside():
    sources = find_installation().sources
    assert all(Path(source).exists() for source in sources)
    assert not {"/", "/usr", "/etc", "/home", "/root", "/tmp", str(Path.home()), str(Path.cwd())} & set(sources)
    assert not [source for source in sources if source.startswith("/etc/") and source != "/etc/ld.so.cache"]
    assert not [(one, other) for one in sources for other in sources if one != other and Path(one).is_relative_to(other)]


def test_every_mount_is_read_only_or_of_the_kernel_inside(bundle):
    folder, config = bundle
    binds = [mount for mount in config["mounts"] if mount["type"] == "bind"]
    assert {mount["source"] for mount in binds} == {str(folder / name) for name in ("packages/one", "packages/two", "loader")}
    assert all({"ro", "nosuid", "nodev"} <= set(mount["options"]) and mount["source"] == mount["destination"] for mount in binds)
    assert [mount["type"] for mount in config["mounts"] if mount not in binds] == ["proc"]
    assert config["root"]["readonly"]


def test_places_to_mount_on_are_there_and_an_empty_folder(bundle):
    folder, config = bundle
    root = Path(config["root"]["path"])
    assert all((root / mount["destination"].lstrip("/")).exists() for mount in config["mounts"])
    assert list((root / EMPTY_FOLDER.lstrip("/")).iterdir()) == []
    assert (root / str(folder / "loader").lstrip("/")).is_file()


def test_the_process_has_four_capabilities_and_a_clean_start(bundle):
    process = bundle[1]["process"]
    assert process["noNewPrivileges"]
    assert set(process["capabilities"]) == {"bounding", "effective", "permitted"}
    assert all(len(kept) == 4 and "CAP_SYS_ADMIN" not in kept for kept in process["capabilities"].values())
    assert process["args"][:4] == ["/usr/bin/python", "-I", "-S", "-B"]
    assert repr(["/a b", "/it's"]) in process["args"][-1]
    assert not [variable for variable in process["env"] if variable.startswith(("HOME=", "PYTHON"))]


def test_a_package_that_is_no_folder_is_refused(monkeypatch):
    monkeypatch.setattr("mlsign.sandbox.gvisor.bundle._PACKAGES", ("mlsign", "typing_extensions"))
    with pytest.raises(OSError, match="typing_extensions does not lie in a folder of its own"):
        find_installation()
