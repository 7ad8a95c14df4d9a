"""A path is looked at once: what was opened is what is read, whatever its name leads to afterwards."""

import pytest
from making import write_model

from mlsign.actions.inspection.inspect import inspect_open
from mlsign.package.read import OpenPackage


@pytest.mark.parametrize("afterwards", ["gone", "folder"])
def test_a_model_whose_name_leads_elsewhere_meanwhile_is_read_as_it_was_opened(tmp_path, afterwards):
    write_model(tmp_path / "m.onnx")
    link = tmp_path / "link.onnx"
    link.symlink_to("m.onnx")
    with OpenPackage.open(link, follow=True) as package:
        link.unlink()
        if afterwards == "folder":
            link.mkdir()
        assert inspect_open(package, link).model_path == "m.onnx"
