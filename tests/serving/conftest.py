"""One signer, and one server that many tests ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from making import Pair, make_key
from serving_kit import Server, classifier, echo, gatherer, linear, one_type, package, policy, serving


@pytest.fixture(scope="session")
def release() -> Pair:
    return make_key()


@pytest.fixture(scope="session")
def policy_of_release(release: Pair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return policy(tmp_path_factory.mktemp("policy"), release)


@pytest.fixture(scope="session")
def shared(release: Pair, policy_of_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of several models that no test changes."""
    folder = tmp_path_factory.mktemp("shared")
    models = {
        "linear-1.0.0": linear(),
        "linear-1.10.0": linear(scale=10),
        "linear-1.9.0": linear(scale=9),
        "echo-1.0.0": echo(),
        "bits-1.0.0": one_type("BF16"),
        "words-1.0.0": one_type("BYTES"),
        "mail-2.0.0": classifier(),
        "table-1.0.0": gatherer(),
    }
    packages = [package(folder, name, model, release) for name, model in models.items()]
    with serving(*packages, policy=policy_of_release, log=folder / "log", options=("--max-request", 1 << 20)) as server:
        yield server
