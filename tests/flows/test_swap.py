"""The bytes that were verified are the bytes that are handed on, whatever happens on disk meanwhile."""

import hashlib
import os
import shutil
import threading
import time
from pathlib import Path

import pytest
from making import make_package, write_model

import mlsign
from mlsign.evidence.findings import Outcome

SECONDS = 4.0


def digest(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


class Swapper(threading.Thread):
    """Replaces a file again and again: by renaming another one over it, and by writing into it."""

    def __init__(self, place: Path, good: bytes, bad: bytes, *, in_place: bool) -> None:
        super().__init__()
        self._place, self._good, self._bad, self._in_place = place, good, bad, in_place
        self.rounds = 0
        self.stop = threading.Event()

    def run(self) -> None:
        aside = self._place.parent.parent / f"{self._place.name}.aside"
        while not self.stop.is_set():
            for data in (self._bad, self._good):
                if self._in_place:
                    with self._place.open("r+b", buffering=0) as file:
                        half = len(data) // 2
                        file.write(data[:half])
                        file.write(data[half:])
                        file.truncate()
                else:
                    aside.write_bytes(data)
                    aside.replace(self._place)
                time.sleep(0.0005 if data is self._bad else 0.002)
            self.rounds += 1


@pytest.mark.parametrize("name", ["model.onnx", "fraud.onnx.data"])
@pytest.mark.parametrize("in_place", [False, True], ids=["renamed over", "written into"])
def test_admitted_bytes_are_signed_bytes(tmp_path, package, keys, gate, name, in_place):
    place = package / name
    good = place.read_bytes()
    if name == "model.onnx":
        bad = write_model(tmp_path / "bad.onnx", operator="RandomUniformLike").read_bytes()
    else:
        bad = bytes(len(good))
    weights = (package / "fraud.onnx.data").read_bytes()
    model = (package / "model.onnx").read_bytes()
    swapper = Swapper(place, good, bad, in_place=in_place)
    admitted = denied = 0
    swapper.start()
    try:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and not (admitted >= 40 and denied >= 40):
            try:
                with gate.admit(package) as one:
                    admitted += 1
                    assert digest(one.model.view) == digest(model)
                    assert {str(p): digest(m.view) for p, m in one.weights.items()} == {"fraud.onnx.data": digest(weights)}
            except mlsign.Denied as err:
                denied += 1
                wrong = {f.code for f in err.report.decision.findings if f.outcome is not Outcome.PASS}
                assert wrong & {"MLS101", "MLS104", "MLS111", "MLS309", "MLS323", "MLS325", "MLS110"}
            except mlsign.OutsideError:
                continue  # a name that vanished between listing and looking is no answer about the package
    finally:
        swapper.stop.set()
        swapper.join()
    assert swapper.rounds > 10
    assert admitted > 0
    assert denied > 0


def test_sealed_bytes_stay_what_they_were(package, gate):
    with gate.admit(package) as one:
        before = digest(one.model.view)
        (package / "model.onnx").write_bytes(b"other")
        shutil.rmtree(package)
        assert digest(one.model.view) == before
        with pytest.raises(PermissionError):
            os.pwrite(one.model.fd, b"x", 0)
        with pytest.raises(PermissionError):
            os.ftruncate(one.model.fd, 0)
        with pytest.raises(TypeError):
            one.model.view[0] = 0


def test_a_name_that_becomes_a_link_during_the_walk_leads_nowhere(tmp_path, package, gate):
    """A folder of the package swapped with a link to another package: never its content."""
    hostile = make_package(tmp_path / "hostile", scale=9.0)
    golden, aside = package / "golden", tmp_path / "golden.aside"
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            golden.rename(aside)
            golden.symlink_to(hostile / "golden")
            golden.unlink()
            aside.rename(golden)
            time.sleep(0.001)

    thread = threading.Thread(target=swap)
    thread.start()
    allowed = refused = 0
    try:
        for _ in range(150):
            try:
                with gate.admit(package):
                    allowed += 1
            except (mlsign.Denied, mlsign.OutsideError):
                refused += 1
    finally:
        stop.set()
        thread.join()
    assert allowed + refused == 150
    assert refused > 0
