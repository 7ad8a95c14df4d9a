"""The filter, run by an interpreter of classic BPF: every call of both architectures gets the answer it should."""

import errno
import struct

import pytest

from mlsign.sandbox import landlock, seccomp
from mlsign.sandbox.proof import FORBIDDEN, attempts
from mlsign.sandbox.seccomp import ALLOWED, ANSWERED, THREAD_FLAGS, TRIAL_ERRNO, Clear, Mode, OneOf, Set, build_filter
from mlsign.sandbox.syscalls import ARCHITECTURES, NUMBERS, X32_BIT

PID = 77
RULES = seccomp.rules
KILL, ALLOW, TRIAL = 0x80000000, 0x7FFF0000, 0x00050000 | TRIAL_ERRNO
MACHINES = list(ARCHITECTURES)


def answer(program: bytes, nr: int, *arguments: int, arch: int) -> int:
    """What the kernel would do with one call."""
    padded = [a & (2**64 - 1) for a in (*arguments, *[0] * 6)[:6]]
    data = struct.pack("<IIQ6Q", nr, arch, 0, *padded)
    at, accumulator = 0, 0
    while True:
        code, true, false, k = struct.unpack_from("<HBBI", program, at * 8)
        at += 1
        if code == 0x20:
            accumulator = struct.unpack_from("<I", data, k)[0]
        elif code == 0x06:
            return k
        else:
            held = {0x15: accumulator == k, 0x45: bool(accumulator & k), 0x35: accumulator >= k}[code]
            at += true if held else false


class Filter:
    def __init__(self, machine: str, *, mode: Mode = Mode.FINAL, threads: int = 1) -> None:
        self.machine = machine
        self.program = build_filter(machine, mode=mode, threads=threads, pid=PID)

    def __call__(self, name: str | int, *arguments: int, arch: int | None = None) -> int:
        nr = NUMBERS[self.machine][name] if isinstance(name, str) else name
        return answer(self.program, nr, *arguments, arch=ARCHITECTURES[self.machine] if arch is None else arch)


@pytest.fixture(params=MACHINES)
def machine(request):
    return request.param


def test_allowed_calls_are_allowed(machine):
    check = Filter(machine)
    for name in ALLOWED:
        if name in NUMBERS[machine]:
            assert check(name, 1, 2, 3) == ALLOW, name


def test_answered_calls_get_their_errno(machine):
    check = Filter(machine)
    for name, code in ANSWERED.items():
        if name in NUMBERS[machine]:
            assert check(name) == 0x00050000 | code, name
    assert check("clone3") == 0x00050000 | errno.ENOSYS


def test_everything_unnamed_kills(machine):
    check = Filter(machine)
    conditional = {"read", "write", "futex", "madvise", "mmap", "mprotect", "tgkill"}
    named = {NUMBERS[machine].get(name) for name in (*ALLOWED, *ANSWERED, *conditional)}
    for nr in range(600):
        if nr not in named:
            assert check(nr, *[0] * 6) == KILL, nr


def test_everything_the_proof_tries_is_refused(machine):
    trial, final = Filter(machine, mode=Mode.TRIAL), Filter(machine)
    for name, nr, arguments in attempts(machine, threads=1):
        numbers = [a if isinstance(a, int) else 0 for a in arguments]
        assert trial(nr, *numbers) == TRIAL, name
        assert final(nr, *numbers) == KILL, name
    assert len(FORBIDDEN) > 50


def unrefused(machine: str, *, threads: int, only: int | None = None) -> set[str]:
    """What the proof would find, were this the kernel; of one call only."""
    check = Filter(machine, mode=Mode.TRIAL, threads=threads)
    tried = [a for a in attempts(machine, threads=threads) if only is None or a[1] == only]
    return {name for name, nr, args in tried if check(nr, *(a if isinstance(a, int) else 0 for a in args)) != TRIAL}


@pytest.mark.parametrize("threads", [1, 2])
def test_the_proof_notices_any_call_that_slips_into_the_filter(machine, threads, monkeypatch):
    assert unrefused(machine, threads=threads) == set()
    numbers = dict(NUMBERS[machine])
    names = {number: name for name, number in numbers.items()}
    unseen = set()
    for nr in range(500):
        name = names.get(nr, f"number {nr}")
        if name in ALLOWED or name in ANSWERED or name == "seccomp":
            continue
        monkeypatch.setattr(seccomp, "NUMBERS", {machine: numbers | {name: nr}})
        monkeypatch.setattr(seccomp, "ALLOWED", (name, *ALLOWED))
        monkeypatch.setattr(seccomp, "rules", lambda **_: [r for r in RULES(threads=threads, pid=PID) if r[0] != name])  # noqa: B023  used within the turn
        if not unrefused(machine, threads=threads, only=nr):
            unseen.add(name)
    probes = {"number 335", "number 336"} if machine == "x86_64" else set()
    assert unseen == probes | ({"vfork"} if machine == "x86_64" and threads > 1 else set())


WEAKER = {
    "mmap": [("mmap", ()), ("mmap", (Clear(2, 4), Set(3, 0x20))), ("mmap", (Clear(2, 4), Clear(3, 0x40009))),
             ("mmap", (Set(3, 0x20), Clear(3, 0x40009))), *[("mmap", (Clear(2, 4), Set(3, 0x20), Clear(3, 0x40009 & ~bit)))
                                                             for bit in (1, 8, 0x40000)]],
    "mprotect": [("mprotect", ())],
    "read": [("read", ()), ("read", (OneOf(0, (3, 0)),)), ("read", (OneOf(0, (3, 2)),))],
    "write": [("write", ()), ("write", (OneOf(0, (1, 2, 3)),))],
    "tgkill": [("tgkill", ())],
    "futex": [("futex", ()), ("futex", (OneOf(1, (1, 129)),)), ("futex", (OneOf(1, (134, 129)),))],
    "madvise": [("madvise", ()), ("madvise", (OneOf(2, (4, 14)),)), ("madvise", (OneOf(2, (4, 9)),))],
    "clone": [("clone", ()), ("clone", (OneOf(0, (THREAD_FLAGS, 0x11)),)), ("clone", (OneOf(0, (THREAD_FLAGS, 0x1200011)),))],
}  # fmt: skip


@pytest.mark.parametrize("name", WEAKER)
@pytest.mark.parametrize("threads", [1, 2])
def test_the_proof_notices_a_rule_that_became_weaker(machine, name, threads, monkeypatch):
    for weaker in [*WEAKER[name], *([("clone", (OneOf(0, (THREAD_FLAGS,)),))] if (name, threads) == ("clone", 1) else [])]:
        rest = [rule for rule in RULES(threads=threads, pid=PID) if rule[0] != name]
        monkeypatch.setattr(seccomp, "rules", lambda **_: [weaker, *rest])  # noqa: B023  used within the turn
        assert unrefused(machine, threads=threads), weaker


@pytest.mark.parametrize("threads", [1, 2])
def test_trial_and_final_agree_on_every_call(machine, threads):
    trial, final = Filter(machine, mode=Mode.TRIAL, threads=threads), Filter(machine, threads=threads)
    for nr in range(600):
        for arguments in ((), (3,), (2, 0, 4, 0x22), (PID, 0, 1, 0x22), (THREAD_FLAGS,)):
            expected = {TRIAL: KILL}.get(trial(nr, *arguments), trial(nr, *arguments))
            if nr != NUMBERS[machine]["seccomp"]:
                assert final(nr, *arguments) == expected
    assert trial("seccomp") == ALLOW
    assert final("seccomp") == KILL


def test_another_architecture_kills_whatever_the_call(machine):
    check = Filter(machine)
    others = [a for a in (0x40000003, 0x40000028, *ARCHITECTURES.values()) if a != ARCHITECTURES[machine]]
    for arch in others:
        assert check("getpid", arch=arch) == KILL


def test_the_x32_table_is_shut():
    check = Filter("x86_64")
    for nr in (0, 1, 39, 59, 512, 520):
        assert check(X32_BIT + nr) == KILL
        assert check(0xFFFFFFFF - nr) == KILL


def test_reading_and_writing_are_for_the_socket(machine):
    check = Filter(machine)
    assert [check("read", fd) == ALLOW for fd in (0, 1, 2, 3, 4, 0xFFFFFFFF)] == [False, False, False, True, False, False]
    assert [check("write", fd) == ALLOW for fd in (0, 1, 2, 3, 4)] == [False, False, True, True, False]
    assert check("read", 3 + (1 << 32)) == ALLOW  # the kernel takes the low word only, as the filter does


def test_memory_is_never_executable_nor_from_a_descriptor(machine):
    check = Filter(machine)
    assert check("mmap", 0, 4096, 3, 0x22) == ALLOW
    assert check("mmap", 0, 4096, 0, 0x4022) == ALLOW
    for protection in (4, 5, 6, 7):
        assert check("mmap", 0, 4096, protection, 0x22) == KILL
        assert check("mprotect", 0, 4096, protection) == KILL
    assert check("mmap", 0, 4096, 1, 0x02) == KILL
    assert check("mmap", 0, 4096, 1, 0x01) == KILL
    for flags in (0x21, 0x23, 0x28, 0x2A, 0x40022, 0x100021):  # shared, validated, droppable (twice), huge, at a fixed place
        assert check("mmap", 0, 4096, 3, flags) == KILL
    assert check("mprotect", 0, 4096, 3) == ALLOW


def test_threads_only_where_asked_for_and_nothing_but_threads(machine):
    assert Filter(machine, threads=1)("clone", THREAD_FLAGS) == KILL
    check = Filter(machine, threads=2)
    assert check("clone", THREAD_FLAGS) == ALLOW
    for flags in (0, 17, THREAD_FLAGS & ~0x10000, THREAD_FLAGS | 0x20000000, THREAD_FLAGS & ~0x100):
        assert check("clone", flags) == KILL


def test_futexes_do_not_reach_other_processes(machine):
    private = [128 + op for op in (0, 1, 3, 4, 5, 9, 10, 256, 265)]
    join = [0, 9, 265]
    for threads in (1, 2):
        check = Filter(machine, threads=threads)
        allowed = [op for op in range(1024) if check("futex", 1, op) == ALLOW]
        assert allowed == sorted(private + (join if threads > 1 else []))
        assert check("futex", 1, -1) == KILL


def test_advice_is_of_the_harmless_kind(machine):
    check = Filter(machine)
    allowed = [advice for advice in range(300) if check("madvise", 0, 4096, advice) == ALLOW]
    assert allowed == [0, 1, 2, 3, 4, 8, 15, 102, 103]
    assert check("madvise", 0, 4096, -1) == KILL


def test_signals_only_to_itself(machine):
    check = Filter(machine)
    assert check("tgkill", PID, 5, 6) == ALLOW
    assert check("tgkill", PID + 1, 5, 6) == KILL
    assert check("tgkill", 0xFFFFFFFF, 5, 6) == KILL


def test_every_jump_of_the_program_lands_inside(machine):
    for mode in Mode:
        program = build_filter(machine, mode=mode, threads=2, pid=PID)
        count = len(program) // 8
        assert count < 4096  # BPF_MAXINSNS
        for at in range(count):
            code, true, false, _ = struct.unpack_from("<HBBI", program, at * 8)
            if code & 7 == 5:
                assert at + 1 + max(true, false) < count
        assert struct.unpack_from("<H", program, (count - 1) * 8)[0] == 0x06


@pytest.mark.parametrize(
    ("version", "words"),
    [(1, [0x1FFF]), (2, [0x3FFF]), (3, [0x7FFF]), (4, [0x7FFF, 3]), (5, [0xFFFF, 3]), (6, [0xFFFF, 3, 3]), (9, [0xFFFF, 3, 3])],
)
def test_landlock_denies_what_a_version_knows(version, words):
    data = landlock.ruleset(version)
    assert list(struct.unpack(f"<{len(words)}Q", data)) == words
