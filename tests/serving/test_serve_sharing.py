"""A new release that takes the place of one that serves: what is the same is in memory once, and is read from no disk."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from releases import BYTES, FILES, SIDE, make_release
from serving_kit import Server, hang_up, policy, post, refused, serving, workers_of

pytestmark = pytest.mark.linux


def answer(server: Server) -> tuple[str, np.ndarray]:
    row = {"name": "x", "shape": [1, SIDE], "datatype": "FP32", "data": [1] * SIDE}
    document = json.loads(post(server, "/v2/models/sum/infer", json.dumps({"inputs": [row]}).encode()).body)
    return document["model_version"], np.array(document["outputs"][0]["data"], dtype=np.float32)


def expected(*seeds: int) -> np.ndarray:
    matrices = [np.random.default_rng(seed).standard_normal((SIDE, SIDE), dtype=np.float32) for seed in seeds]
    return np.ones(SIDE, dtype=np.float32) @ (matrices[0] + matrices[1] + matrices[2])


def weights_in(process: int) -> set[int]:
    """Which memory of the size of a file of weights a process holds: the numbers of the memfds."""
    found = set()
    for entry in Path(f"/proc/{process}/fd").iterdir():
        try:
            status = entry.stat()
            if status.st_size == BYTES and "memfd:mlsign" in os.readlink(entry):
                found.add(status.st_ino)
        except OSError:
            continue
    return found


def put(place: Path, source: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(source, place)


@pytest.fixture(scope="module")
def releases(tmp_path_factory, release) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("releases")
    return {
        version: make_release(folder, version, [release], seeds=seeds)
        for version, seeds in (("1.0.0", (0, 1, 2)), ("1.1.0", (0, 1, 3)), ("1.2.0", (4, 1, 3)))
    }


@pytest.mark.parametrize("workers", [1, 8])
def test_a_release_after_another_costs_what_changed(tmp_path, releases, release, workers):
    place = tmp_path / "current"
    put(place, releases["1.0.0"])
    rules = policy(tmp_path / "policy", release)
    with serving(place, policy=rules, log=tmp_path / "log", options=("--workers", workers)) as server:
        before = weights_in(server.process.pid)
        assert len(before) == 3
        line = server.wait_for("package.verified", cause="start")
        assert line["bytes_not_read"] == 0
        for version, seeds in (("1.1.0", (0, 1, 3)), ("1.2.0", (4, 1, 3))):
            put(place, releases[version])
            hang_up(server)
            server.wait_for("model.loaded", version=version)
            server.wait_for("model.retired", count=1 if version == "1.1.0" else 2)
            line = server.lines("package.verified")[-1]
            assert line["outcome"] == "allowed"
            assert line["bytes_not_read"] >= 2 * BYTES
            found, values = answer(server)
            assert found == version
            assert np.allclose(values, expected(*seeds), rtol=1e-3, atol=1e-2)
            after = weights_in(server.process.pid)
            assert len(after) == 3, "what only the old release had is given back"
            assert len(after & before) == 2, "what both have is the same memory"
            before = after
        assert len(workers_of(server, count=workers)) == workers


def test_an_altered_file_of_a_new_release_never_serves_and_one_of_what_serves_is_told(tmp_path, releases, release):
    place = tmp_path / "current"
    put(place, releases["1.0.0"])
    rules = policy(tmp_path / "policy", release)
    with serving(place, policy=rules, log=tmp_path / "log") as server:
        put(place, releases["1.1.0"])
        altered = place / FILES[0]
        altered.write_bytes(bytes(BYTES))
        hang_up(server)
        server.wait_for("model.loaded", version="1.1.0")
        version, values = answer(server)
        assert version == "1.1.0"
        assert np.allclose(values, expected(0, 1, 3), rtol=1e-3, atol=1e-2), "the bytes that were signed, not those of the folder"
        hang_up(server)
        line = server.wait_for("package.refused", cause="signal")
        assert "MLS101" in line["findings"]
        assert line["serving"] == "sum 1.1.0"
        # and an altered file that nobody has in memory keeps the release out
        put(place, releases["1.2.0"])
        (place / FILES[0]).write_bytes(bytes(BYTES))
        hang_up(server)
        server.wait_for("package.refused", cause="signal", count=2)
        assert answer(server)[0] == "1.1.0"


def test_files_of_a_store_are_hashed_and_may_have_other_names(tmp_path, release):
    store = tmp_path / "store"
    place = make_release(tmp_path, "1.0.0", [release], store=store)
    rules = policy(tmp_path / "policy", release, rest="hashing: once\n")
    assert "MLS107" in refused(place, policy=rules).stderr
    with serving(place, policy=rules, log=tmp_path / "log", options=("--store", store)) as server:
        line = server.wait_for("package.verified", cause="start")
        assert line["bytes_not_read"] == 0
        assert np.allclose(answer(server)[1], expected(0, 1, 2), rtol=1e-3, atol=1e-2)


def test_models_in_two_places_share_what_is_the_same(tmp_path, releases, release):
    put(tmp_path / "one", releases["1.0.0"])
    put(tmp_path / "two", releases["1.1.0"])
    rules = policy(tmp_path / "policy", release)
    with serving(tmp_path / "one", tmp_path / "two", policy=rules, log=tmp_path / "log") as server:
        assert len(weights_in(server.process.pid)) == 4
        put(tmp_path / "one", releases["1.2.0"])
        hang_up(server)
        server.wait_for("model.loaded", version="1.2.0")
        server.wait_for("model.retired", version="1.0.0")
        server.wait_for("package.verified", cause="signal", package=str(tmp_path / "two"))
        assert len(weights_in(server.process.pid)) == 4
        assert answer(server)[0] == "1.2.0"


def test_a_new_release_that_is_denied_leaves_nothing_behind(tmp_path, releases, release):
    place = tmp_path / "current"
    put(place, releases["1.0.0"])
    rules = policy(tmp_path / "policy", release)
    with serving(place, policy=rules, log=tmp_path / "log") as server:
        before = weights_in(server.process.pid)
        shutil.rmtree(place)
        shutil.copytree(releases["1.1.0"], place)
        shutil.rmtree(place / "signatures")
        hang_up(server)
        server.wait_for("package.refused", cause="signal")
        assert weights_in(server.process.pid) == before
