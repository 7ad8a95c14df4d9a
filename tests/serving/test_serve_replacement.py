"""What serves is replaced by what was verified, and by nothing else."""

import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from making import make_key
from serving_kit import Server, classifier, get, hang_up, linear, metrics, package, policy, post, serving, workers_of

from mlsign.actions.policies.sign_policy import sign_policy

pytestmark = pytest.mark.linux

WATCH = ("--watch", "0.1")


def answer(server: Server, version: str = "") -> tuple[str, float]:
    """Which version answers, and the factor that it multiplies by."""
    at = f"/versions/{version}" if version else ""
    row = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 1, 1, 1]}
    reply = post(server, f"/v2/models/linear{at}/infer", json.dumps({"inputs": [row]}).encode())
    document = json.loads(reply.body)
    assert reply.status == 200, document
    return document["model_version"], document["outputs"][0]["data"][0]


def put(place: Path, source: Path) -> None:
    """What a deployment does: the new folder is there whole, and takes the name at once."""
    fresh, old = place.with_name(".fresh"), place.with_name(".old")
    shutil.copytree(source, fresh)
    if place.exists():
        place.rename(old)
    fresh.rename(place)
    shutil.rmtree(old, ignore_errors=True)


@pytest.fixture(scope="module")
def releases(tmp_path_factory, release) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("releases")
    return {
        "good": package(folder, "linear-1.0.0", linear(), release),
        "better": package(folder, "linear-2.0.0", linear(scale=2), release),
        "stranger": package(folder / "other", "linear-3.0.0", linear(scale=3), make_key()),
        "unsigned": package(folder / "none", "linear-4.0.0", linear(scale=4)),
        "renamed": package(folder, "mail-9.0.0", classifier(), release),
    }


@pytest.fixture
def place(tmp_path, releases) -> Path:
    put(tmp_path / "current", releases["good"])
    return tmp_path / "current"


@pytest.fixture
def server(tmp_path, place, policy_of_release) -> Iterator[Server]:
    with serving(place, policy=policy_of_release, log=tmp_path / "log", options=WATCH) as found:
        yield found


def refused_metric(server: Server, place: Path) -> float:
    return metrics(server)[f'mlsign_package_refused{{package="{place}"}}']


def test_a_better_release_takes_the_place_of_a_good_one(server, place, releases):
    assert answer(server) == ("1.0.0", 1)
    before = set(workers_of(server))
    put(place, releases["better"])
    line = server.wait_for("model.loaded", version="2.0.0")
    assert line["replaces"] == "1.0.0"
    assert answer(server) == ("2.0.0", 2)
    server.wait_for("model.retired", version="1.0.0")
    assert not before & set(workers_of(server)), "the old workers are gone"
    assert get(server, "/v2/models/linear/versions/1.0.0").status == 404
    assert get(server, "/v2/health/ready").status == 200
    found = metrics(server)
    assert [key for key in found if key.startswith("mlsign_model_info")] == [
        key for key in found if key.startswith("mlsign_model_info") and line["digest"] in key and 'version="2.0.0"' in key
    ]


def tampered(place: Path, releases: dict[str, Path]) -> None:
    model = place / "model.onnx"
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)


def swapped_model(place: Path, releases: dict[str, Path]) -> None:
    (place / "model.onnx").write_bytes((releases["better"] / "model.onnx").read_bytes())


def unsigned(place: Path, releases: dict[str, Path]) -> None:
    shutil.rmtree(place / "signatures")


def by_a_stranger(place: Path, releases: dict[str, Path]) -> None:
    put(place, releases["stranger"])


def never_signed(place: Path, releases: dict[str, Path]) -> None:
    put(place, releases["unsigned"])


def cut(place: Path, releases: dict[str, Path]) -> None:
    os.truncate(place / "model.onnx", 10)


def no_package(place: Path, releases: dict[str, Path]) -> None:
    (place / "mlsign.json").write_bytes(b"{")


def gone(place: Path, releases: dict[str, Path]) -> None:
    place.rename(place.with_name("elsewhere"))


def a_file(place: Path, releases: dict[str, Path]) -> None:
    gone(place, releases)
    place.write_bytes(b"not a package")


def a_pipe(place: Path, releases: dict[str, Path]) -> None:
    (place / "model.onnx").unlink()
    os.mkfifo(place / "model.onnx")


def another_model(place: Path, releases: dict[str, Path]) -> None:
    put(place, releases["renamed"])


@pytest.mark.parametrize(
    "change",
    [tampered, swapped_model, unsigned, by_a_stranger, never_signed, cut, no_package, gone, a_file, a_pipe, another_model],
    ids=lambda change: change.__name__,
)
def test_what_fails_never_replaces_what_serves(server, place, releases, change):
    before = workers_of(server)
    change(place, releases)
    line = server.wait_for("package.refused", package=str(place))
    assert line["serving"] == "linear 1.0.0"
    assert line["cause"] == "change"
    assert answer(server) == ("1.0.0", 1)
    assert refused_metric(server, place) == 1
    assert get(server, "/v2/health/ready").status == 200
    hang_up(server)
    server.wait_for("package.refused", package=str(place), cause="signal")
    assert answer(server) == ("1.0.0", 1)
    assert workers_of(server) == before
    # What is put right serves again, and nothing had to be restarted for it.
    if place.is_file():
        place.unlink()
    put(place, releases["better"])
    server.wait_for("model.loaded", version="2.0.0")
    assert answer(server) == ("2.0.0", 2)
    assert refused_metric(server, place) == 0


def test_the_reasons_are_in_log_and_metrics(server, place, releases):
    tampered(place, releases)
    line = server.wait_for("package.refused")
    assert line["outcome"] == "denied"
    assert "MLS101" in line["findings"]
    assert metrics(server)[f'mlsign_verifications_total{{outcome="denied",package="{place}"}}'] >= 1


def test_times_are_a_trigger_and_never_the_decision(server, place):
    """Touched and not changed: verified again, and the same workers go on."""
    before = workers_of(server)
    (place / "mlsign.json").touch()
    server.wait_for("package.verified", cause="change", outcome="unchanged")
    assert workers_of(server) == before


def test_a_link_that_points_somewhere_else_is_a_change(tmp_path, releases, policy_of_release):
    link = tmp_path / "current"
    link.symlink_to(releases["good"])
    with serving(link, policy=policy_of_release, log=tmp_path / "log", options=WATCH) as server:
        link.unlink()
        link.symlink_to(releases["better"])
        server.wait_for("model.loaded", version="2.0.0")
        assert answer(server) == ("2.0.0", 2)


def test_without_watching_only_a_signal_replaces(tmp_path, place, releases, policy_of_release):
    with serving(place, policy=policy_of_release, log=tmp_path / "log") as server:
        put(place, releases["better"])
        assert answer(server) == ("1.0.0", 1)
        hang_up(server)
        server.wait_for("model.loaded", version="2.0.0")
        assert answer(server) == ("2.0.0", 2)


def test_two_places_never_come_to_serve_the_same(tmp_path, place, releases, policy_of_release):
    other = tmp_path / "other"
    put(other, releases["better"])
    with serving(place, other, policy=policy_of_release, log=tmp_path / "log", options=WATCH) as server:
        put(place, releases["better"])
        line = server.wait_for("package.refused", package=str(place))
        assert line["code"] == "serve.twice"
        assert answer(server, "1.0.0") == ("1.0.0", 1)
        assert answer(server) == ("2.0.0", 2)


def test_nobody_notices_a_replacement(server, place, releases):
    """Requests without a pause, over many replacements: every one is answered, by a whole model."""
    stop, seen, wrong = threading.Event(), set(), []

    def ask() -> None:
        while not stop.is_set():
            try:
                seen.add(answer(server))
            except (AssertionError, OSError) as err:
                wrong.append(repr(err))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(1, 7):
            name, version = ("better", "2.0.0") if turn % 2 else ("good", "1.0.0")
            put(place, releases[name])
            server.wait_for("model.retired", count=turn)
            assert server.lines("model.loaded")[-1]["version"] == version
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong
    assert seen == {("1.0.0", 1.0), ("2.0.0", 2.0)}
    assert len(workers_of(server)) == 2, "and none of those before"


def test_policies_are_read_again_and_a_broken_one_changes_nothing(tmp_path, place, releases, release):
    rules = policy(tmp_path / "policy", release)
    good = rules.read_text()
    with serving(place, policy=rules, log=tmp_path / "log") as server:
        for broken in (good + "mode: nonsense\n", good + "name: twice\n", "", "\0"):
            count = len(server.lines("policy.refused"))
            rules.write_text(broken)
            hang_up(server)
            server.wait_for("policy.refused", count=count + 1)
            assert answer(server) == ("1.0.0", 1)
        rules.unlink()
        hang_up(server)
        server.wait_for("policy.refused", count=5)
        assert answer(server) == ("1.0.0", 1)
        # The policy before it still decides: a stranger's package is not let in meanwhile.
        put(place, releases["stranger"])
        hang_up(server)
        server.wait_for("package.refused", cause="signal")
        assert answer(server) == ("1.0.0", 1)
        put(place, releases["better"])
        rules.write_text(good + "versions: {minimum: 1.5.0}\n")
        hang_up(server)
        server.wait_for("policy.loaded")
        server.wait_for("model.loaded", version="2.0.0")
        put(place, releases["good"])
        hang_up(server)
        server.wait_for("package.refused", outcome="denied", cause="signal", count=2)
        assert answer(server) == ("2.0.0", 2), "what serves was let in by the policy of today"
        assert metrics(server)['mlsign_policy_loads_total{outcome="refused"}'] == 6


def test_only_signed_policies_are_read_again(tmp_path, place, releases, release):
    """Whoever may write the policy, but not sign it, lets nothing in."""
    rules = policy(tmp_path / "policy", release)
    pair = make_key()
    (tmp_path / "policy.pub").write_bytes(pair.public)
    sign_policy(rules, pair.signer)
    options = ("--policy-key", tmp_path / "policy.pub")
    with serving(place, policy=rules, log=tmp_path / "log", options=options) as server:
        put(place, releases["unsigned"])
        rules.write_text(rules.read_text() + "mode: audit\n")
        hang_up(server)
        assert server.wait_for("policy.refused")["code"].startswith("policy.")
        server.wait_for("package.refused", cause="signal")
        assert answer(server) == ("1.0.0", 1)
        sign_policy(rules, pair.signer)
        hang_up(server)
        line = server.wait_for("model.loaded", version="4.0.0")
        assert line["mode"] == "audit"
        assert answer(server) == ("4.0.0", 4)


def test_the_log_says_how_a_model_is_confined(server):
    line = server.lines("model.loaded")[0]
    assert {"descriptors", "no_new_privs", "rlimits", "seccomp"} <= set(line["confined_by"])
    assert not set(line["confined_by"]) & set(line["not_in_force"])


def test_what_a_new_policy_revokes_is_withdrawn(tmp_path, place, releases, release, policy_of_release):
    rules = policy(tmp_path / "policy", release)
    good = rules.read_text()
    with serving(place, policy=rules, log=tmp_path / "log", options=WATCH) as server:
        digest = server.lines("model.loaded")[0]["digest"]
        rules.write_text(good + f"revoked: [{{digest: '{digest}', reason: stolen}}]\n")
        hang_up(server)
        assert server.wait_for("model.withdrawn")["digest"] == digest
        assert get(server, "/v2/models/linear").status == 404
        assert get(server, "/v2/health/ready").status == 503
        assert get(server, "/v2/health/live").status == 200
        server.wait_for("model.retired")
        assert workers_of(server, count=0) == []
        put(place, releases["better"])
        server.wait_for("model.loaded", version="2.0.0")
        assert answer(server) == ("2.0.0", 2)
        assert get(server, "/v2/health/ready").status == 200


def test_limits_of_a_new_policy_hold_for_the_same_package(tmp_path, place, release):
    rules = policy(tmp_path / "policy", release)
    with serving(place, policy=rules, log=tmp_path / "log") as server:
        before = set(workers_of(server))
        rules.write_text(rules.read_text() + "sandbox: {memory: 1GiB}\n")
        hang_up(server)
        server.wait_for("model.loaded", count=2)
        server.wait_for("model.retired")
        assert not before & set(workers_of(server))
        assert answer(server) == ("1.0.0", 1)


def test_hangups_in_a_row_are_survived(server):
    for _ in range(50):
        server.signal(signal.SIGHUP)
    server.wait_for("package.verified", cause="signal")
    assert answer(server) == ("1.0.0", 1)
