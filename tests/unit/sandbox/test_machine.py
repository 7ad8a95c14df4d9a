"""What a machine says about itself: cgroups of both versions, settings that forbid user namespaces."""

import os
import sys
from pathlib import Path

import pytest

from mlsign.sandbox.machine import cgroup_memory, free_memory, limiting_settings, platform_name, processor_name, read_machine

NONE_V1 = "9223372036854771712"


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def limit(tmp_path: Path, membership: str, files: dict[str, str]) -> int | None:
    (tmp_path / "cgroup").write_text(membership)
    return cgroup_memory(membership=tmp_path / "cgroup", root=tree(tmp_path / "fs", files))


def test_the_smallest_limit_on_the_way_up_counts(tmp_path):
    files = {"a/b/memory.max": "max", "a/memory.max": "3000000", "memory.max": "9000000"}
    assert limit(tmp_path, "0::/a/b\n", files) == 3000000


def test_a_cgroup_without_a_limit_has_none(tmp_path):
    assert limit(tmp_path, "0::/a\n", {"a/memory.max": "max"}) is None
    assert limit(tmp_path, "0::/a\n", {}) is None
    assert limit(tmp_path, "nonsense\n\n", {"memory.max": "many"}) is None


def test_in_a_container_the_path_is_that_of_the_machine_outside(tmp_path):
    assert limit(tmp_path, "0::/../kubepods/pod1\n", {"memory.max": "5000000"}) == 5000000
    assert limit(tmp_path, "0::/docker/abc\n", {"memory.max": "5000000"}) == 5000000


def test_limits_of_version_1_are_read_where_its_memory_controller_is(tmp_path):
    files = {
        "memory/a/memory.limit_in_bytes": "4000000",
        "memory/memory.limit_in_bytes": NONE_V1,
        "cpu/a/memory.limit_in_bytes": "1",
        "memory.max": "2",
    }
    assert limit(tmp_path, "3:cpu,cpuacct:/a\n9:memory:/a\n", files) == 4000000
    assert limit(tmp_path, "9:memory:/b\n", files) is None  # the largest number means none


def test_no_membership_is_no_limit(tmp_path):
    assert cgroup_memory(membership=tmp_path / "nothing", root=tmp_path) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("MemTotal:       24000 kB\nMemAvailable:   12000 kB\n", 12000 * 1024),
        ("MemTotal: 24000 kB\n", None),
        ("MemAvailable: many kB\n", None),
        ("MemAvailable: ١ kB\n", None),
        ("", None),
    ],
)
def test_the_memory_that_is_free_is_what_the_kernel_estimates(tmp_path, text, found):
    (tmp_path / "meminfo").write_text(text)
    assert free_memory(info=tmp_path / "meminfo") == found
    assert free_memory(info=tmp_path / "nothing") is None


@pytest.mark.linux
def test_this_machine_tells_how_much_memory_is_free():
    assert free_memory() > 0


@pytest.mark.parametrize(
    ("name", "forbids", "allows"),
    [
        ("user/max_user_namespaces", "0", "96365"),
        ("kernel/unprivileged_userns_clone", "0", "1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ],
)
def test_settings_that_forbid_user_namespaces_are_found(tmp_path, monkeypatch, name, forbids, allows):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (found,) = limiting_settings(root=tree(tmp_path / "a", {name: forbids}))
    assert (found.name, found.value) == (name.replace("/", "."), forbids)
    assert limiting_settings(root=tree(tmp_path / "b", {name: allows})) == []


def test_settings_for_the_unprivileged_do_not_bind_root(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    files = {"user/max_user_namespaces": "0", "kernel/unprivileged_userns_clone": "0"}
    assert [setting.name for setting in limiting_settings(root=tree(tmp_path, files))] == ["user.max_user_namespaces"]


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
def test_this_machine_is_read():
    machine = read_machine()
    assert (machine.system, machine.architecture, machine.user) == ("linux", os.uname().machine, os.geteuid())
    assert machine.kernel == os.uname().release


@pytest.mark.parametrize(
    ("machine", "name"),
    [("x86_64", "amd64"), ("aarch64", "arm64"), ("armv7l", "arm/v7"), ("RISCV64", "riscv64"), ("ppc64le", "ppc64le")],
)
def test_platforms_are_spelled_as_images_are(machine, name, monkeypatch):
    here = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*here[:4], machine)))
    assert platform_name() == f"{sys.platform}/{name}"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("processor\t: 0\nmodel\t\t: 2\nmodel name\t: AMD  EPYC 9B45\n\nmodel name\t: another\n", "AMD EPYC 9B45"),
        ("processor: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n", "implementer 0x41, part 0xd0c"),
        ("cpu model\t: MIPS 24Kc V7.4\n", "MIPS 24Kc V7.4"),
        ("model name\t: \n", ""),
        ("model name: " + "x" * 999, "x" * 200),
        ("", ""),
    ],
)
def test_the_processor_is_named_as_far_as_the_kernel_names_it(tmp_path, text, name):
    (tmp_path / "cpuinfo").write_text(text)
    assert processor_name(info=tmp_path / "cpuinfo") == name
    assert processor_name(info=tmp_path / "none") == ""
