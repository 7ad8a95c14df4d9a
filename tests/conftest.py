"""Fixtures that every suite shares. Keys and the good package are made once; each test works on its own copy."""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

os.environ["PYTHON_COLORS"] = "0"  # tracebacks of what tests start are read: since Python 3.13 they may be coloured
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before onnxruntime is imported: it writes files and starts a thread otherwise
os.environ["MLSIGN_STATE"] = tempfile.mkdtemp(prefix="mlsign-tests-")  # before anybody copies the environment
sys.path.insert(0, str(Path(__file__).parent / "fakes"))  # before tests are collected: any of them may import a fake

from making import Pair, make_key, make_package, write_policy
from pytest_timeout import Settings

import mlsign

if TYPE_CHECKING:
    from local_sigstore import LocalSigstore

STATE = Path(os.environ["MLSIGN_STATE"])
SLOW_SECONDS = 900
"""The bound of a slow test; that of all others stands in ``pyproject.toml``."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_SECONDS))


def pytest_unconfigure() -> None:
    """Nothing that tests remember of what they allowed lasts, and nothing that the user's own runs did is asked."""
    shutil.rmtree(STATE)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Nothing bounds a test that has failed any more: what its fixtures tidy up gets a bound of its own."""
    seconds = float(item.config.getini("timeout"))
    if seconds and not signal.getitimer(signal.ITIMER_REAL)[0]:
        settings = Settings(timeout=seconds, method="signal", func_only=False, disable_debugger_detection=False)
        item.config.hook.pytest_timeout_set_timer(item=item, settings=settings)
    yield


settings.register_profile("patient", deadline=None)  # how long an example takes says what else the machine does
settings.load_profile("patient")

for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "SOURCE_DATE_EPOCH"):
    os.environ.pop(name, None)  # what whoever runs the tests likes to see
os.umask(0o022)  # as nearly everywhere; tests of what others may read or write set their own
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has it ignored for what runs in the background


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--renew-golden", action="store_true", help="write the reports under tests/golden and docs/reports.md again")


@dataclass(frozen=True)
class Keys:
    """Two signers that the policy wants, and one that nobody knows."""

    release: Pair
    review: Pair
    outsider: Pair

    @property
    def both(self) -> tuple[Pair, Pair]:
        return self.release, self.review


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys(release=make_key(), review=make_key(), outsider=make_key())


@pytest.fixture(scope="session")
def good_package(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Path:
    """A package with external weights, golden data, a document and provenance, signed twice. Nobody writes to it."""
    return make_package(tmp_path_factory.mktemp("good"), signers=keys.both)


@pytest.fixture(scope="session")
def policy_file(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Path:
    """Two groups, each met by one of the two signers."""
    groups = {"release": (1, [keys.release.public]), "review": (1, [keys.review.public])}
    return write_policy(tmp_path_factory.mktemp("policy"), groups, rest="versions: {minimum: 1.0.0}\n")


@pytest.fixture(scope="session")
def gate(policy_file: Path) -> mlsign.Gate:
    return mlsign.Gate.load(policy_file)


@pytest.fixture
def package(tmp_path: Path, good_package: Path) -> Path:
    """A copy of the good package to do anything with."""
    return Path(shutil.copytree(good_package, tmp_path / "fraud-1.2.0"))


@pytest.fixture(scope="module")
def sigstore() -> "Iterator[LocalSigstore]":
    """The services of a Sigstore on this machine, for all tests of a module."""
    from local_sigstore import LocalSigstore  # few suites need what it takes to be one

    with LocalSigstore() as service:
        yield service


@pytest.fixture
def own() -> "Iterator[LocalSigstore]":
    """One for a test that breaks it or sets its clocks."""
    from local_sigstore import LocalSigstore

    with LocalSigstore() as service:
        yield service


@pytest.fixture
def no_hang() -> Iterator[None]:
    """Ends the test when it takes a minute: a fifo that is opened, an endless read."""

    def ring(*_: object) -> None:
        pytest.fail("hangs")

    old = signal.signal(signal.SIGALRM, ring)
    left, _ = signal.setitimer(signal.ITIMER_REAL, 60)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, old)
    signal.setitimer(signal.ITIMER_REAL, left)  # the bound of every test, by the same clock


@pytest.fixture(scope="session")
def command() -> list[str]:
    """How to run the command line as a process of its own."""
    return [sys.executable, "-m", "mlsign"]
