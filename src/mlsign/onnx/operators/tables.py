"""Operators of ``ai.onnx.ml`` that look values up in tables: n-grams, labels, categories, words, columns.

Keys stand in one attribute and what they lead to in another. Kernels go through one and index the other, so the two have
to fit. Duplicate keys are honest: the first one counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from mlsign.onnx.operators.told import INT32, BrokenError, Told, in_range, none_or_same, same

MAX_SKIP: Final = 10_000
"""Words that a skip-gram may leave out. Above 2^31 onnxruntime 1.32 never comes back; in practice they are a handful."""
_MODES: Final = frozenset((b"TF", b"IDF", b"TFIDF"))
_NORMS: Final = frozenset((b"MAX", b"L1", b"L2"))
_FORMS: Final = frozenset((b"DENSE", b"SPARSE"))
_KINDS: Final = ("strings", "int64s", "floats", "tensor")
_ELEMENTS: Final = {"strings": "string", "int64s": "int64", "floats": "float"}


def check_ngrams(told: Told) -> None:
    """``TfIdfVectorizer``: blocks of n-grams in a pool, each with a column and, if it is so wished, a weight.

    Exporters leave blocks empty and count beyond the last one, so neither is a fault.
    """
    grams = _grams(told.numbers("ngram_counts"), told.exclusive("pool_int64s", "pool_strings"))
    columns = told.numbers("ngram_indexes")
    same(grams, "the pool of n-grams", ngram_indexes=len(columns))
    in_range(columns, "index of an n-gram", least=0, most=told.most_columns - 1)
    weights = told.count("weights")
    none_or_same(grams, "the pool of n-grams", weights=weights)
    mode = told.one_of("mode", b"TF", _MODES)
    if weights and mode != b"TF" and columns and max(columns) >= weights:
        raise BrokenError(f"column {max(columns)} has no weight: there are {weights}")  # runtimes index weights by column
    shortest = told.number("min_gram_length", 1)
    in_range((shortest,), "min_gram_length", least=1, most=INT32 - 1)
    in_range((told.number("max_gram_length", shortest),), "max_gram_length", least=shortest, most=INT32 - 1)
    in_range((told.number("max_skip_count", 0),), "max_skip_count", least=0, most=MAX_SKIP)


def _grams(starts: Sequence[int], pool: int) -> int:
    """How many n-grams are in a pool whose blocks start at these places."""
    if not starts or starts[0]:
        raise BrokenError("ngram_counts does not begin with 0")
    in_range(starts, "start of a block", least=0, most=pool)
    total = 0
    for size, (start, end) in enumerate(pairwise([*starts, pool]), 1):
        if start > end:
            raise BrokenError("ngram_counts goes down")
        if (end - start) % size:
            raise BrokenError(f"{end - start} words are no whole number of {size}-grams")
        total += (end - start) // size
    return total


def check_labels(told: Told) -> None:
    """``LabelEncoder``: version 1 has only labels, later ones keys and values, since version 4 as tensors too."""
    if told.count("classes_strings"):
        return
    keys = told.exclusive(*(f"keys_{kind}" for kind in _KINDS))
    values = told.exclusive(*(f"values_{kind}" for kind in _KINDS))
    same(keys, "the keys", values=values)
    for name in ("keys_tensor", "values_tensor"):
        tensor = told.tensor(name)
        if tensor is not None and len(tensor.dims) != 1:
            raise BrokenError(f"{name} has the shape {list(tensor.dims)}, wanted is one row")
    default, table = told.tensor("default_tensor"), told.tensor("values_tensor")
    if default is None:
        return
    kinds = [table.element] if table is not None else [_ELEMENTS[kind] for kind in _ELEMENTS if told.count(f"values_{kind}")]
    if default.count != 1 or default.element not in kinds:
        raise BrokenError(f"default_tensor is {default.element} {list(default.dims)}, wanted is one {' or '.join(kinds)}")


def check_categories(told: Told) -> None:
    """``CategoryMapper``."""
    names = told.count("cats_strings")
    if not names:
        raise BrokenError("cats_strings is empty")
    same(names, "cats_strings", cats_int64s=told.count("cats_int64s"))


def check_vocabulary(told: Told) -> None:
    """``DictVectorizer``: each word has the column where it stands."""
    entries = told.exclusive("string_vocabulary", "int64_vocabulary")
    if len({*told.numbers("int64_vocabulary"), *told.strings("string_vocabulary")}) != entries:
        raise BrokenError("a word of the vocabulary stands twice")


def check_one_hot(told: Told) -> None:
    """``OneHotEncoder``."""
    told.exclusive("cats_int64s", "cats_strings")
    told.flag("zeros", 1)


def check_zip(told: Told) -> None:
    """``ZipMap``: a label for each column."""
    told.exclusive("classlabels_int64s", "classlabels_strings")


def check_scaler(told: Told) -> None:
    """``Scaler``."""
    offsets = told.count("offset")
    if not offsets:
        raise BrokenError("offset is empty")
    same(offsets, "offset", scale=told.count("scale"))


def check_imputer(told: Told) -> None:
    """``Imputer``."""
    told.exclusive("imputed_value_floats", "imputed_value_int64s")


def check_normalizer(told: Told) -> None:
    """``Normalizer``."""
    told.one_of("norm", b"MAX", _NORMS)


def check_columns(told: Told) -> None:
    """``FeatureVectorizer``: how many columns it takes from each input, there or not."""
    widths = told.numbers("inputdimensions")
    if not told.has("inputdimensions"):
        return
    same(told.inputs, "the number of inputs", inputdimensions=len(widths))
    in_range(widths, "width", least=1, most=INT32 - 1)
    in_range((sum(widths),), "sum of widths", least=1, most=told.most_columns)


def check_cast(told: Told) -> None:
    """``CastMap``: the width that a sparse map is spread over."""
    if told.one_of("map_form", b"DENSE", _FORMS) == b"SPARSE":
        in_range((told.number("max_map", 1),), "max_map", least=1, most=told.most_columns)
