"""No false alarm: honest models of every kind run in onnxruntime, and mlsign finds nothing wrong with any of them."""

from functools import cache
from pathlib import Path

import honest_attention  # noqa: F401 - registers models
import honest_dynamic  # noqa: F401 - registers models
import honest_external  # noqa: F401 - registers models
import honest_functions  # noqa: F401 - registers models
import honest_quantized  # noqa: F401 - registers models
import honest_recurrent  # noqa: F401 - registers models
import honest_sklearn  # noqa: F401 - registers models
import honest_text  # noqa: F401 - registers models
import honest_vision  # noqa: F401 - registers models
import onnx
import onnxruntime
import pytest
from honest_graph import MODELS, random_feeds

from mlsign.actions.inspection.findings import FindRequest, find, load_model_policy
from mlsign.onnx.inspect import read_model
from mlsign.policy.model import Policy, Verdict
from mlsign.source import MemorySource

BASELINE = Path(__file__).parents[2] / "policies" / "baseline.yaml"
ALLOWED = "    - ml-v1\n"
SETTINGS = ("unknown_sizes", "unknown_turns")
NEEDING = [name for name, entry in MODELS.items() if entry.needs]
# What a policy says of an operator that it does not allow (of a standard domain, of another, of chance), and of a size or
# turns that only the run decides.
WANTING = {"MLS301", "MLS303", "MLS381", "MLS383"}


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory):
    """Writes a model the first time that a test asks for it."""
    return cache(lambda name: MODELS[name].write(tmp_path_factory.mktemp(name)))


@pytest.fixture(scope="session")
def baseline_with(tmp_path_factory: pytest.TempPathFactory):
    """The shipped baseline, with what a model needs allowed as well."""

    def make(needs: tuple[str, ...]) -> Policy:
        path = tmp_path_factory.mktemp("policy") / "policy.yaml"
        text = BASELINE.read_text()
        for need in needs:
            old, new = ALLOWED, f'{ALLOWED}    - "{need}"\n'
            if need in SETTINGS:
                old, new = f"{need}: deny", f"{need}: allow"
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)
        return load_model_policy(path)

    return cache(make)


def wrong(path: Path, policy: Policy | None = None) -> list[tuple[str, str | None, str]]:
    found = find(path, FindRequest(policy=policy))
    return [(finding.code, finding.where, finding.message) for model in found.models for finding in model.wrong]


def assert_baseline_allows(path: Path, policy: Policy | None = None) -> None:
    """Nothing is wrong with the model under the shipped baseline, or under ``policy``."""
    assert wrong(path, policy) == []
    assert find(path, FindRequest(policy=policy)).verdict is Verdict.ALLOW


@pytest.mark.parametrize("name", MODELS)
def test_an_honest_model_runs(written, name):
    """Honest means, to begin with: it does something, on inputs of several sizes."""
    path = written(name)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    model = onnx.load(path, load_external_data=False)
    for sizes in MODELS[name].sizes:
        assert session.run(None, random_feeds(model, MODELS[name], sizes))


@pytest.mark.parametrize("name", MODELS)
def test_an_honest_model_has_no_problem(written, name):
    assert read_model(MemorySource(written(name).read_bytes())).problems == ()


@pytest.mark.parametrize("name", MODELS)
def test_an_honest_model_is_allowed(written, baseline_with, name):
    needs = MODELS[name].needs
    assert_baseline_allows(written(name), baseline_with(needs) if needs else None)


@pytest.mark.parametrize("name", NEEDING)
def test_the_baseline_alone_wants_only_what_is_named_as_needed(written, name):
    codes = {code for code, *_ in wrong(written(name))}
    assert codes
    assert codes <= WANTING


def test_a_model_is_the_same_each_time():
    for name in ("bert-encoder-17", "resnet-17", "greedy-decoder-17", "table-15"):
        assert MODELS[name]().SerializeToString() == MODELS[name]().SerializeToString()


def test_there_are_many_kinds():
    assert len(MODELS) > 300
    assert sum(name.startswith("sklearn-") for name in MODELS) > 80
