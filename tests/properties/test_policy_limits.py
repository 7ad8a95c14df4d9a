"""A policy makes a reader more careful, never less: whatever limits it sets, and whatever those of the caller are."""

from dataclasses import fields
from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st

from mlsign.limits import DEFAULT, Limits
from mlsign.policy.decoding.run import LIMITS
from mlsign.policy.model import ModelSettings, RunSettings

NAMES = [field.name for field in fields(Limits)]
numbers = st.integers(1, 2**53 - 1)
callers = st.builds(lambda changes: Limits(**changes), st.dictionaries(st.sampled_from(NAMES), numbers))
models = st.builds(
    lambda limits, size: ModelSettings(limits=MappingProxyType(limits), run=RunSettings(open_dimension=size)),
    st.dictionaries(st.sampled_from(sorted(LIMITS.values())), numbers),
    st.integers(1, 1_000_000),
)


@given(callers, models)
def test_no_limit_grows_and_those_that_the_policy_does_not_name_stay(limits: Limits, model: ModelSettings) -> None:
    tightened = model.tightened(limits)
    for name in NAMES:
        if name == "open_dimension":
            assert tightened.open_dimension == model.run.open_dimension
        elif name in model.limits:
            assert getattr(tightened, name) == min(getattr(limits, name), model.limits[name])
        else:
            assert getattr(tightened, name) == getattr(limits, name)


@given(callers, models)
def test_twice_is_once(limits: Limits, model: ModelSettings) -> None:
    once = model.tightened(limits)
    assert model.tightened(once) == once


def test_a_policy_without_limits_leaves_those_of_the_program() -> None:
    assert ModelSettings().tightened(DEFAULT) == DEFAULT
