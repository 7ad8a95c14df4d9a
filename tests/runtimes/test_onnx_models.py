"""The models that ONNX tests runtimes with, on both runtimes: as ``docs/conformance.md`` says where they are the same.

``MLSIGN_ONNX_MODELS`` names an unpacked wheel of onnx 1.17.0, as ``bench/conformance.py`` takes it; without it, the models that the
installed package brings along are run.
"""

import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
try:
    import conformance_page
    from conformance import run_all
    from conformance_models import find_models
    from conformance_run import RUNTIMES, run
    from conformance_words import UNNAMED, why
finally:
    sys.path.remove(str(ROOT / "bench"))

WHEEL = os.environ.get("MLSIGN_ONNX_MODELS")
INSTALLED = Path(onnx.__file__).parents[1]
SAMPLE = 24
"""Every so many-th model: some sixty of those in the wheel."""
pytestmark = [pytest.mark.linux, pytest.mark.skipif(sys.platform != "linux", reason="needs Linux with seccomp")]


def unexplained(results) -> list[str]:
    """Answers that are not as expected, and no word on the page says why."""
    return [
        f"{result.model.name} {runtime.value}: {outcome.reason}"
        for result, runtime, outcome in conformance_page.wrong(results)
        if why(result.model.name, runtime, outcome.reason) == UNNAMED
    ]


def test_a_sample_is_packed_and_answered_as_expected_or_for_a_known_reason():
    models = find_models(Path(WHEEL) if WHEEL else INSTALLED)
    chosen = models[:: SAMPLE if WHEEL else 3]
    assert len(chosen) >= 40
    results = [run(model) for model in chosen]
    assert [result.refused for result in results if result.refused] == []
    assert unexplained(results) == []
    as_expected = [r for r in results if all(conformance_page.passed(r, runtime) for runtime in RUNTIMES)]
    assert len(as_expected) >= len(results) * 2 // 3
    assert all(result.agree for result in as_expected)


@pytest.mark.slow
@pytest.mark.skipif(not WHEEL, reason="MLSIGN_ONNX_MODELS names no unpacked wheel of onnx 1.17.0")
def test_the_page_is_what_comes_out():
    """But for the networks, with which the evaluator is slow."""
    models = find_models(Path(WHEEL or ""))
    assert len(models) > 1200
    results = run_all(models)
    assert [result.refused for result in results if result.refused] == []
    assert unexplained(results) == []
    page = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8").splitlines()
    if conformance_page.made_with(results) not in page:
        pytest.skip(f"the page was made with others than these: {conformance_page.made_with(results)}")
    made = [*conformance_page.in_sum(results), *conformance_page.details(results)]
    total = ("| **all** ", *(f"| {name} | " for name in conformance_page.SPOKEN.values()))  # of more models on the page
    missing = [line for block in made for line in block.splitlines() if line not in page and not line.startswith(total)]
    assert missing == []  # else: python bench/conformance.py FOLDER --write docs/conformance.md


AUDITED = """
import sys
sys.path[:0] = sys.argv[2:4]
from pathlib import Path
import onnx
from conformance_models import find_models
from mlsign.sandbox.objects import value_of
from mlsign.sandbox.reference.engine import Reference
from mlsign.sandbox.reference.model import evaluate

Reference().warm()
seen, watched = set(), False

def hook(event, arguments):
    if watched and event in {"open", "import", "exec", "compile", "os.listdir", "ctypes.dlopen", "subprocess.Popen", "socket.connect"}:
        seen.add(f"{event} {arguments[0]}")

sys.addaudithook(hook)
readers = {
    "tensor_type": (onnx.TensorProto, onnx.numpy_helper.to_array),
    "sequence_type": (onnx.SequenceProto, onnx.numpy_helper.to_list),
    "optional_type": (onnx.OptionalProto, onnx.numpy_helper.to_optional),
}
count = 0
for model in find_models(Path(sys.argv[1])):
    proto = onnx.ModelProto.FromString(model.path.read_bytes())
    held = {item.name for item in proto.graph.initializer}
    feeds = {}
    for number, item in enumerate(item for item in proto.graph.input if item.name not in held):
        file = model.sets[0] / f"input_{number}.pb"
        if file.is_file():
            kind, read = readers[item.type.WhichOneof("value")]
            feeds[item.name] = read(kind.FromString(file.read_bytes()))
    watched = True
    try:
        for result in evaluate(proto, regions={}).run(None, feeds):
            value_of(result)
        count += 1
    except Exception:
        pass
    watched = False
print(count)
print("\\n".join(sorted(seen)))
"""


def test_once_it_is_warm_the_evaluator_opens_and_imports_nothing():
    """Without walls, so that every attempt is seen: every operator that the models have, in the process as a zygote leaves it."""
    folder = Path(WHEEL) if WHEEL else INSTALLED
    command = [sys.executable, "-W", "ignore", "-c", AUDITED, folder, ROOT / "bench", ROOT / "src"]
    count, *seen = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200).stdout.split("\n")
    assert int(count) > (1200 if WHEEL else 100)
    assert {line for line in seen if line} <= {"import PIL", "import PIL.Image"}  # which a worker does not find
