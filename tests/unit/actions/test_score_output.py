"""Where the answers go is checked first: nobody should wait for hours of scoring to read that .xls is no format."""

from pathlib import Path

import pytest

from mlsign.actions.load_policy import LoadedPolicy
from mlsign.actions.score import ScoreRequest, score
from mlsign.actions.verify import VerifyRequest
from mlsign.errors import InputError


def test_an_output_that_cannot_be_written_is_refused_before_the_package_is_even_opened(tmp_path: Path) -> None:
    # The policy is never looked at: a score that went on would fail on the missing package instead.
    policy: LoadedPolicy = None  # type: ignore[assignment]  # reason: nothing may get as far as reading it
    request = ScoreRequest(verify=VerifyRequest(policy=policy), input=tmp_path / "rows.csv", output=tmp_path / "scores.xls")
    with pytest.raises(InputError) as caught:
        score(tmp_path / "no-package", request)
    assert caught.value.code == "output.format"
