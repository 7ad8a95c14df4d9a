"""What is said about the files of a score: the wrong ones are named, and the output's ending is looked at first."""

from pathlib import Path

import pytest

from mlsign.actions.policies.load_policy import LoadedPolicy, load_policy
from mlsign.actions.scoring.score import ScoreRequest, score
from mlsign.actions.verification.verify import VerifyRequest
from mlsign.errors import InputError


def test_an_output_that_cannot_be_written_is_refused_before_the_package_is_even_opened(tmp_path: Path) -> None:
    # The policy is never looked at: a score that went on would fail on the missing package instead.
    policy: LoadedPolicy = None  # type: ignore[assignment]  # reason: nothing may get as far as reading it
    request = ScoreRequest(verify=VerifyRequest(policy=policy), input=tmp_path / "rows.csv", output=tmp_path / "scores.xls")
    with pytest.raises(InputError) as caught:
        score(tmp_path / "no-package", request)
    assert caught.value.code == "output.format"


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("few.csv", "a\n1\n", "{}"),
        ("words.csv", "a,b,c,d\n1,2,3,many\n", "{}, line 2, column d"),
        ("broken.json", "{", "{}"),
    ],
)
def test_an_input_that_does_not_fit_is_named(
    tmp_path: Path, package: Path, policy_file: Path, name: str, text: str, where: str
) -> None:
    (tmp_path / name).write_text(text)
    request = ScoreRequest(
        verify=VerifyRequest(policy=load_policy(policy_file)), input=tmp_path / name, output=tmp_path / "scores.csv"
    )
    with pytest.raises(InputError) as caught:
        score(package, request)
    assert caught.value.where == where.format(tmp_path / name)
    assert not (tmp_path / "scores.csv").exists()
