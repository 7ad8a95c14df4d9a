"""Values made by ``mlsign.values`` beside those of the standard library: whatever can be seen of them is the same."""

import ast
import copy
import dataclasses
import inspect
import typing
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field, replace
from pathlib import Path
from types import MappingProxyType

import pytest

from mlsign.values import dataclass as quick

ROOT = Path(__file__).resolve().parents[2] / "src" / "mlsign"
FORM = {"frozen": True, "slots": True, "kw_only": True}


def make(dataclass: Callable[..., Callable[[type], type]]) -> tuple[type, ...]:
    @dataclass(**FORM)
    class Nothing:
        """A value without fields."""

    @dataclass(**FORM)
    class One:
        """A value with one."""

        name: str

    @dataclass(**FORM)
    class Several:
        """A value with every kind of field that is in use."""

        first: int
        second: tuple[str, ...] = ()
        third: object = field(default_factory=lambda: MappingProxyType({}))
        fourth: Callable[[], bytes] = field(default=bytes, compare=False)
        fifth: float = field(default=0.0, repr=False)
        sixth: str = field(default="", hash=False)
        KIND: typing.ClassVar[str] = "several"

        @property
        def double(self) -> int:
            return 2 * self.first

    @dataclass(**FORM)
    class Spelled:
        """A value with methods of its own."""

        text: str

        def __repr__(self) -> str:
            return f"<{self.text}>"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Spelled) and other.text.casefold() == self.text.casefold()

        def __hash__(self) -> int:
            return hash(self.text.casefold())

    @dataclass(frozen=True, slots=True, order=True)
    class Ordered:
        """A value that is given by place, and has an order."""

        domain: str
        number: int = 0

    @dataclass(frozen=True, slots=True, kw_only=True, eq=False)
    class Itself:
        """A value that is equal to nothing but itself."""

        name: str

    return Nothing, One, Several, Spelled, Ordered, Itself


MADE = make(quick)
_, One, Several, _, Ordered, Itself = MADE
STANDARD = make(dataclasses.dataclass)
PAIRS = list(zip(MADE, STANDARD, strict=True))
GIVEN = {
    "Nothing": [{}],
    "One": [{"name": "a"}, {"name": ""}],
    "Several": [
        {"first": 1},
        {"first": 1, "fourth": str},
        {"first": 1, "fifth": 0.5},
        {"first": 2, "second": ("x",), "third": (), "sixth": "y"},
    ],
    "Spelled": [{"text": "a"}, {"text": "A"}, {"text": "b"}],
    "Ordered": [{"domain": "b"}, {"domain": "a", "number": 2}, {"domain": "a", "number": 1}],
    "Itself": [{"name": "a"}, {"name": "a"}],
}


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=lambda kind: kind.__name__)
def test_they_are_the_same_to_whoever_looks(ours: type, theirs: type) -> None:
    assert ours.__qualname__ == theirs.__qualname__
    assert ours.__doc__ == theirs.__doc__
    assert ours.__slots__ == theirs.__slots__
    assert ours.__match_args__ == theirs.__match_args__
    assert inspect.signature(ours) == inspect.signature(theirs) or ours is Several  # a sentinel stands for what is made anew
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
    assert typing.get_type_hints(ours) == typing.get_type_hints(theirs)
    assert ours.__init__.__annotations__ == theirs.__init__.__annotations__
    assert ours.__init__.__qualname__ == theirs.__init__.__qualname__
    assert dataclasses.is_dataclass(ours)
    assert [(each.name, each.type, each.compare) for each in dataclasses.fields(ours)] == [
        (each.name, each.type, each.compare) for each in dataclasses.fields(theirs)
    ]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=lambda kind: kind.__name__)
def test_values_are_equal_and_spelled_alike(ours: type, theirs: type) -> None:
    cases = GIVEN[ours.__name__]
    mine, other = [ours(**case) for case in cases], [theirs(**case) for case in cases]
    assert list(map(repr, mine)) == list(map(repr, other))
    if ours is not Itself:
        assert [hash(value) for value in mine if not isinstance(getattr(value, "third", ()), MappingProxyType)] == [
            hash(value) for value in other if not isinstance(getattr(value, "third", ()), MappingProxyType)
        ]
    assert [[a == b for b in mine] for a in mine] == [[a == b for b in other] for a in other]
    assert [[a != b for b in mine] for a in mine] == [[a != b for b in other] for a in other]
    assert all(value != case for value, case in zip(mine, cases, strict=True))
    assert all(a != b for a in mine for b in other)
    assert [dataclasses.asdict(value) for value in mine[-1:]] == [dataclasses.asdict(value) for value in other[-1:]]


def test_one_without_words_has_its_name_for_them() -> None:
    class Bare:
        name: str

    assert quick(**FORM)(Bare).__doc__ == "Bare"


def test_defaults_are_made_anew_and_a_change_is_another_value() -> None:
    value = Several(first=1)
    assert value.third == {}
    assert value.third is not Several(first=1).third
    changed = replace(value, first=3, sixth="z")
    assert (changed.first, changed.sixth, changed.double, value.first) == (3, "z", 6, 1)
    assert changed.KIND == "several"


@pytest.mark.parametrize("kind", [One, STANDARD[1]], ids=["ours", "theirs"])
def test_nothing_can_be_set_deleted_added_left_out_or_given_twice(kind: type) -> None:
    value = kind(name="a")
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'name'"):
        value.name = "b"
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'name'"):
        del value.name
    with pytest.raises((FrozenInstanceError, TypeError)):  # the standard library trips over its own slots before 3.14
        value.other = 1
    assert value == kind(name="a")
    for arguments, words in ((((), {}), "name"), (((), {"name": "a", "x": 1}), "x"), ((("a",), {}), "positional")):
        with pytest.raises(TypeError, match=words):
            kind(*arguments[0], **arguments[1])


def test_copies_are_values_too() -> None:
    value = Several(first=2, second=("x",), third=())
    for twin in (copy.copy(value), copy.deepcopy(value)):
        assert twin == value
        assert twin is not value
        with pytest.raises(FrozenInstanceError):
            twin.first = 3
    state = value.__getstate__()
    fresh = Several.__new__(Several)
    fresh.__setstate__(state)
    assert fresh == value
    with pytest.raises(ValueError, match="shorter"):
        fresh.__setstate__(state[:-1])


def test_some_have_an_order_and_the_others_none() -> None:
    low, high = Ordered("a", 1), Ordered("a", 2)
    assert (low < high, low <= high, low > high, low >= high, low <= Ordered("a", 1)) == (True, True, False, False, True)
    assert sorted([high, Ordered("0"), low]) == [Ordered("0"), low, high]
    assert Ordered.__match_args__ == ("domain", "number")
    for left, right in ((low, STANDARD[4]("a", 2)), (low, ("a", 2)), (One(name="a"), One(name="b"))):
        with pytest.raises(TypeError, match="not supported"):
            assert left < right
    assert len({Itself(name="a"), Itself(name="a")}) == 2


@pytest.mark.parametrize("left", ["frozen", "slots"])
def test_other_forms_are_not_made(left: str) -> None:
    with pytest.raises(TypeError, match="only frozen dataclasses"):
        quick(**{**FORM, left: False})


def test_what_the_caller_does_not_give_is_not_made() -> None:
    class Later:
        made: str = field(init=False)

    class Checked:
        name: str

        def __post_init__(self) -> None:
            raise AssertionError

    Later.__annotations__ = {"made": str}
    for kind in (Later, Checked):
        with pytest.raises(TypeError, match="every field is given"):
            quick(**FORM)(kind)


def test_every_value_of_mlsign_is_made_so() -> None:
    """But where a class is of another form, and then for its whole module."""
    for path in ROOT.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        forms = {
            ast.unparse(decorator)
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            for decorator in node.decorator_list
            if ast.unparse(decorator).startswith("dataclass(")
        }
        imports = {(node.module, name.name) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names}
        if forms and all(form.startswith("dataclass(frozen=True, slots=True") for form in forms):
            assert ("mlsign.values", "dataclass") in imports, path
