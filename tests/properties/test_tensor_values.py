"""Statistics and differences of stored tensors are those that numpy gives for the same values, however they are cut up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mlsign.onnx.records import Stored, TensorRecord
from mlsign.onnx.wire import Region
from mlsign.source import MemorySource
from mlsign.tensors import differences, statistics
from mlsign.tensors import stored as stored_values
from mlsign.tensors.differences import Change, compare
from mlsign.tensors.statistics import describe
from mlsign.tensors.stored import StoredTensor, chunks

NAMES = {"float32": "float", "float64": "double"}
NUMBERS = st.sampled_from(["<f2", "<f4", "<f8", "i1", "u1", "<i2", "<i4", "<i8", "<u8"])


@st.composite
def pairs(draw):
    """Two arrays of one type and shape, the second the first with some of its values changed."""
    dtype = np.dtype(draw(NUMBERS))
    limit = {"min_value": -1000, "max_value": 1000} if dtype.kind == "f" else {}
    elements = arrays.from_dtype(dtype, **limit)
    if dtype.kind == "f":
        elements |= st.sampled_from([np.nan, np.inf, -np.inf, -0.0]).map(dtype.type)
    old = draw(arrays.arrays(dtype, st.integers(0, 40), elements=elements))
    new = old.copy()
    for index in draw(st.lists(st.integers(0, 39), max_size=5)):
        if index < new.size:
            new[index] = draw(elements | st.just(dtype.type(0)))
    return old, new


def of(array, *, lead):
    data = lead + array.tobytes()
    record = TensorRecord(
        name="w",
        element=NAMES.get(array.dtype.name, array.dtype.name),
        shape=array.shape,
        count=array.size,
        size=array.nbytes,
        values=Stored(field=9, parts=(Region(len(lead), len(data)),)),
    )
    return StoredTensor(record=record, model=MemorySource(data))


@pytest.fixture(autouse=True, scope="module")
def small_pieces():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_values, "CHUNK_ELEMENTS", 16)
        patch.setattr(statistics, "SMALL", 16)
        patch.setattr(statistics, "_BLOCK", 5)
        patch.setattr(differences, "_BLOCK", 5)
        yield


@given(pairs(), st.binary(max_size=9))
@settings(deadline=None)
def test_the_values_and_their_statistics(pair, lead):
    values = pair[0]
    tensor = of(values, lead=lead)
    assert b"".join(chunk.tobytes() for chunk in chunks(tensor)) == values.tobytes()
    found = describe(tensor)
    finite = values[np.isfinite(values)]
    assert (found.count, found.zeros) == (values.size, (values == 0).sum())
    assert (found.nans, found.infinities) == (np.isnan(values).sum(), np.isinf(values).sum())
    assert found.distinct == (np.unique(finite).size if values.size <= 16 or values.itemsize <= 2 else None)
    if not finite.size:
        assert (found.minimum, found.mean, found.histogram) == (None, None, None)
        return
    assert (found.minimum, found.maximum) == (finite.min().item(), finite.max().item())
    doubles = finite.astype("f8")
    spread = float(np.ptp(doubles))
    assert found.mean == pytest.approx(doubles.mean(), abs=1e-9 * spread, rel=1e-9)
    assert found.deviation == pytest.approx(doubles.std(), abs=1e-7 * spread, rel=1e-9)
    if found.histogram is None:  # a range that double precision cannot divide
        assert 0 < spread < 1e-300
        return
    assert sum(found.histogram.counts) == finite.size
    if len(found.histogram.counts) > 1:
        borders = np.linspace(doubles.min(), doubles.max(), 65)
        near = spread / 64 / 30
        for border, below in zip(borders[1:], np.cumsum(found.histogram.counts), strict=True):
            assert (doubles < border - near).sum() <= below <= (doubles <= border + near).sum()


@given(pairs())
@settings(deadline=None)
def test_the_differences(pair):
    old, new = pair
    found = compare(of(old, lead=b""), of(new, lead=b"abc"))
    bits = (old.view("u1").reshape(-1, old.itemsize) != new.view("u1").reshape(-1, new.itemsize)).any(axis=1)
    assert (found.elements, found.different, found.zeros) == (new.size, bits.sum(), (new == 0).sum())
    lost = bits & (new == 0) & (old != 0)
    expected = Change.IDENTICAL if not bits.any() else Change.PRUNED if (lost == bits).all() else Change.CHANGED
    assert found.change is expected
    if expected is Change.IDENTICAL:
        assert (found.largest, found.mean, found.relative_l2) == (0, 0, 0)
        return
    finite = np.isfinite(old) & np.isfinite(new)
    same = (old == new) | (np.isnan(old) & np.isnan(new))
    assert found.unmeasured == (~finite & ~same).sum()
    if not finite.any():
        assert (found.largest, found.mean, found.relative_l2) == (None, None, None)
        return
    exact = [
        abs(int(y) - int(x)) if old.dtype.kind in "iu" else abs(float(y) - float(x))
        for x, y in zip(old, new, strict=True)
        if np.isfinite(x) and np.isfinite(y)
    ]
    assert found.largest == pytest.approx(max(exact), rel=1e-15)
    assert found.mean == pytest.approx(sum(exact) / len(exact), rel=1e-12)
    length = np.linalg.norm(old[finite].astype("f8"))
    if length > 1e-100 and found.relative_l2:
        assert found.relative_l2 == pytest.approx(np.linalg.norm(np.array(exact, "f8")) / length, rel=1e-9)
