"""Attempts to get out of a confined process: each denied inside for the stated reason, each working outside.

The attempts themselves are in ``attempts``; ``inmate`` makes them in children that went through ``confine``, in the
settings of ``surroundings``. The tables in ``docs/sandbox.md`` are made of what these tests see.
"""

import os
import subprocess
import sys
from pathlib import Path

import escape_table
import pytest
from attempt import WORKS, Attempt
from attempts import ATTEMPTS
from surroundings import SETTINGS, SYSTEM_ROOT

from mlsign.sandbox.syscalls import NUMBERS

ROOT = Path(__file__).resolve().parents[2]
needs_root = pytest.mark.skipif(not SYSTEM_ROOT, reason="root alone enters this setting")
EVERYWHERE = [setting if setting == "user" else pytest.param(setting, marks=needs_root) for setting in SETTINGS]
HERE = "root" if SYSTEM_ROOT else "user"
named = pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.name)


@named
@pytest.mark.parametrize("setting", EVERYWHERE)
def test_inside_it_is_denied(attempt: Attempt, setting: str):
    assert escape_table.ended(attempt, setting, "inside") == attempt.denied


@named
def test_outside_the_very_same_works(attempt: Attempt):
    ended = escape_table.ended(attempt, HERE, "outside")
    if reason := escape_table.impossible(attempt):
        assert ended != WORKS  # or it could be tried, and has to be
        pytest.skip(f"this machine cannot even outside: {reason}")
    if HERE == "user" and ended != WORKS:
        pytest.skip(f"outside it is for root alone: {ended}")
    assert ended == WORKS


@pytest.mark.parametrize("attempt", [a for a in ATTEMPTS if a.layer != "seccomp"], ids=lambda attempt: attempt.name)
@pytest.mark.parametrize("setting", EVERYWHERE)
def test_what_other_layers_deny_is_denied_without_the_filter(attempt: Attempt, setting: str):
    assert escape_table.ended(attempt, setting, "unfiltered") == attempt.denied


def test_what_leads_to_files_processes_and_networks_meets_a_second_wall():
    """Whatever the filter were to let through by a mistake. Without namespaces there is none for UDP and pidfds."""
    walled = {
        "open_file", "write_file", "own_memory_file", "list_folder", "make_folder", "make_device", "rename_file", "mount", "chroot",
        "open_by_handle", "read_left_descriptor", "map_descriptor", "connect_tcp", "connect_abstract", "connect_path", "listen_tcp",
        "raw_socket", "fork", "start_thread", "execute", "attach", "read_memory", "write_memory", "memory_file", "take_descriptor",
        "signal_keeper", "signal_parent", "signal_everybody", "signal_other", "queue_signal", "bpf_program", "io_uring",
        "user_namespace", "become_root", "take_capabilities", "lock_memory", "exhaust_descriptors", "fork_bomb",
    }  # fmt: skip
    settings = ("root", "user", "container") if SYSTEM_ROOT else ("user",)
    found = {a.name: [escape_table.ended(a, s, "unfiltered") for s in settings] for a in ATTEMPTS if a.name in walled}
    assert found.keys() == walled
    assert [name for name, ended in found.items() if WORKS in ended] == []


def test_names_are_given_once():
    assert len({attempt.name for attempt in ATTEMPTS}) == len(ATTEMPTS)


@needs_root
def test_the_tables_of_the_page_are_what_these_tests_see():
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import build_sandbox
    finally:
        sys.path.remove(str(ROOT / "docs"))
    written = build_sandbox.written()
    if escape_table.machine() not in written:
        pytest.skip(f"the tables were made on another machine than {escape_table.machine()}")
    assert written == build_sandbox.build()  # else: python docs/build_sandbox.py


SLIPPED = {
    "nothing": "passed",
    "poll": "sandbox.proof poll",
    "pipe": "sandbox.proof pipe",
    "fork": "sandbox.proof fork",
    "vfork": "sandbox.proof vfork",
    "dup2": "sandbox.proof dup2",
    "arch_prctl": "sandbox.proof arch_prctl",
    "ppoll": "sandbox.proof ppoll",
    "set_tid_address": "sandbox.proof set_tid_address",
    "capget": "sandbox.proof capget",
    "uname": "sandbox.proof uname",
    "clone 0x3d0f00": "sandbox.proof clone of a thread",
    "clone 0x11": "sandbox.proof a fork by clone",
    "clone 0x3d0f00 0x11": "sandbox.proof a fork by clone",
}


@pytest.mark.parametrize("slip", SLIPPED)
@pytest.mark.parametrize("threads", ["1", "2"])
def test_the_kernel_shows_the_proof_what_slipped_into_the_filter(slip, threads):
    if (slip, threads) in (("vfork", "2"), ("clone 0x3d0f00", "2")):
        return  # a thread is allowed there, and vfork is not tried
    if slip.split()[0] not in ("nothing", *NUMBERS[os.uname().machine]):
        pytest.skip("this architecture has no such call")
    program = Path(__file__).with_name("slipped.py")
    command = [sys.executable, "-W", "ignore", program, threads, *slip.split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == SLIPPED[slip]
