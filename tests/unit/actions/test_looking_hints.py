"""What is wrong with a model that was named says what to do: another thing beyond a limit than for what is no model."""

from dataclasses import replace

import pytest
from making import write_model

from mlsign.actions.inspection.inspect import inspect
from mlsign.actions.inspection.outline import outline
from mlsign.errors import InputError
from mlsign.limits import DEFAULT


@pytest.mark.parametrize("look", [inspect, outline])
def test_a_model_beyond_a_limit_is_not_called_damaged(look, tmp_path):
    write_model(tmp_path / "model.onnx")
    with pytest.raises(InputError) as refused:
        look(tmp_path / "model.onnx", limits=replace(DEFAULT, max_nodes=0))
    assert refused.value.code == "onnx.limit.nodes"
    assert refused.value.where.startswith(str(tmp_path / "model.onnx"))
    assert refused.value.hint == "no exporter is known to write as much: treat the file as hostile, or split the model"


@pytest.mark.parametrize("look", [inspect, outline])
def test_a_damaged_model_is_called_so(look, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"\x08\x08\x3a\x7f\x0a")
    with pytest.raises(InputError) as refused:
        look(tmp_path / "model.onnx")
    assert refused.value.code == "onnx.wire.truncated"
    assert refused.value.hint == "this is not an ONNX model, or a damaged one; export or fetch it again"
