"""A defect that one package shows, and the other packages of the server."""

import pytest
from serving_kit import policy

from mlsign.serving import custodian as custodian_module
from mlsign.serving.connection import ConnectionLimits
from mlsign.serving.custodian import Custodian
from mlsign.serving.journal import Journal, Level
from mlsign.serving.metrics import Metrics
from mlsign.serving.settings import AdmissionSettings, ServeRequest
from mlsign.serving.shelf import Shelf


def test_a_defect_with_one_package_keeps_nobody_from_looking_at_the_others(tmp_path, release, monkeypatch):
    """Else whoever can bring it about keeps a model serving that a new policy revokes."""
    paths = (tmp_path / "one", tmp_path / "two")
    for path in paths:
        path.mkdir()
    looked: list[str] = []

    def out_of_memory(path, *_, **__):
        looked.append(path.name)
        raise MemoryError(path.name)

    monkeypatch.setattr(custodian_module, "admit_model", out_of_memory)
    request = ServeRequest(paths=paths, admission=AdmissionSettings(policies=(policy(tmp_path / "policy", release),)))
    shelf, journal = Shelf(), Journal(level=Level.ERROR)
    metrics = Metrics(models=lambda: shelf.models, in_flight=lambda: 0.0, connections=ConnectionLimits(8, journal))
    custodian = Custodian(request, shelf=shelf, metrics=metrics, journal=journal)
    with pytest.raises(MemoryError, match="one"):
        custodian.renew()
    assert looked == ["one", "two"]
    with pytest.raises(MemoryError, match="one"):
        custodian.look()
    assert looked == ["one", "two"] * 2
