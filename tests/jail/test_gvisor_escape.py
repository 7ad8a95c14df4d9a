"""Out of gVisor: a worker that was taken over before it confined itself, so that gVisor alone denies what it tries."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from gvisor_inmate import AIM, DEEDS, WORKS, outcome
from jail_models import graph_model, popen_of, tensor
from onnx import TensorProto, helper

from mlsign.errors import JailError
from mlsign.sandbox.layers import FULL, Wall

pytestmark = pytest.mark.usefixtures("gvisor")

DENIED = {
    "read_file": {"ENOENT"},
    "read_passwords": {"ENOENT"},
    "list_folder": {"ENOENT"},
    "write_package": {"EROFS"},
    "make_file": {"EROFS"},
    "connect_tcp": {"ECONNREFUSED", "ENETUNREACH"},
    "connect_abstract": {"ECONNREFUSED"},
    "signal_process": {"ESRCH"},
    "see_process": {"not among those in /proc"},
    "write_feeds": {"EBADF"},
    "map_feeds": {"EACCES"},
    "open_feeds_again": {"EBADF", "EACCES", "EPERM", "ENXIO"},
    "shorten_results": {"EPERM"},
    "lengthen_results": {"EPERM"},
    "write_model": {"EBADF"},
    "map_model": {"EACCES"},
    "open_model_again": {"EBADF", "EACCES", "EPERM", "ENXIO"},
}
IDENTITY = graph_model(
    [helper.make_node("Identity", ["x"], ["y"])], [tensor("x", TensorProto.STRING, [1])], [tensor("y", TensorProto.STRING, [1])]
)
ENDING = ("map_feeds_again",)
"""What ends the worker instead of coming back."""


@pytest.fixture
def aims(tmp_path):
    """Targets of this machine, each of which the same code reaches outside."""
    (tmp_path / "secret").write_text("a secret")
    victim = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    abstract = f"mlsign-gvisor-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(f"\0{abstract}")
        unix.listen()
        yield {
            "file": str(tmp_path / "secret"),
            "folder": str(tmp_path),
            "port": tcp.getsockname()[1],
            "pid": victim.pid,
            "abstract": abstract,
        }
    victim.stdin.close()
    victim.wait()


@pytest.fixture
def worker(memory, start, monkeypatch):
    """A function that starts a worker in a mode and gives one that has it do a deed."""

    def make(mode):
        monkeypatch.setattr(subprocess, "Popen", popen_of(mode))
        jail = start(IDENTITY, wall=Wall.GVISOR)

        def do(name, aims):
            which = next(number for number, deed in enumerate(DEEDS) if deed.__name__ == name)
            with pytest.raises(JailError) as caught:
                jail.run({"x": np.array([json.dumps([which, aims])], dtype=object)})
            return caught.value

        do.jail = jail
        return do

    return make


def test_every_deed_has_an_expectation():
    assert {deed.__name__ for deed in DEEDS} == {*DENIED, *ENDING}


def test_outside_every_deed_goes_through(aims, monkeypatch):
    areas = {name: os.memfd_create(name) for name in ("feeds", "results", "model")}
    for name, value in (aims | areas).items():
        monkeypatch.setattr(AIM, name, value)
    for fd in areas.values():
        os.truncate(fd, 1 << 16)
    came = {deed.__name__: outcome(deed) for deed in DEEDS}
    for fd in areas.values():
        os.close(fd)
    if os.geteuid() != 0:
        for name in ("make_file", "write_package"):
            came.pop(name)
    assert set(came.values()) == {WORKS}, came


def test_gvisor_alone_denies_every_deed(aims, worker):
    do = worker("alone")
    came = {name: do(name, aims) for name in DENIED}
    assert {name: error.code for name, error in came.items()} == dict.fromkeys(DENIED, "sandbox.model.run")
    assert {name: error.message for name, error in came.items() if error.message not in DENIED[name]} == {}


@pytest.mark.parametrize("name", ENDING)
def test_a_mapping_that_the_area_forbids_ends_the_worker(name, aims, worker):
    error = worker("alone")(name, aims)
    assert error.code == "sandbox.worker.died" or error.message in {"EACCES", "EPERM", "ENXIO"}, error


def test_confined_within_as_well_its_filter_answers_first(aims, worker):
    do = worker("confined")
    assert do("read_file", aims).message == "EACCES"
    ended = do("connect_abstract", aims)
    assert (ended.code, "SIGSYS" in ended.message) == ("sandbox.worker.died", True)


def test_what_a_worker_claims_of_gvisor_is_not_taken(worker):
    layers = worker("alone").jail.layers
    names = [layer.name for layer in layers]
    assert len(names) == len(set(names))
    seen = {layer.name for layer in layers if layer.detail != "claimed"}
    assert seen == {"gvisor", *(name for name in FULL if name.endswith("_namespace"))}
    assert "claimed" in {layer.detail for layer in layers}
