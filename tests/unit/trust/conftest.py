"""A local Sigstore that all tests of trust share; nobody breaks it."""

import pytest
from keyless_material import root_of
from local_sigstore import LocalSigstore


@pytest.fixture(scope="session")
def sigstore():
    with LocalSigstore() as service:
        yield service


@pytest.fixture(scope="session")
def trusted(sigstore):
    return root_of(sigstore)
