"""Options with plain values are read without the library that typer reads them with: what comes out is what that would make of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.core import TyperArgument, TyperOption
from typer.main import get_command

from mlsign.cli.main import app
from mlsign.cli.plain_values import is_plain, plain_value

GIVEN = (
    None,
    *(
        "a",
        "",
        "-",
        "--",
        "ümlaut",
        "a b",
        "nothing/there",
        "/",
        "0",
        "1",
        "64",
        " 64",
        "1e3",
        "0.5",
        "-1",
        "nan",
        "true",
        "2000000",
    ),
    *("text", "TEXT", "json", "sarif", "process", "gvisor", "p256", "ed25519"),
    *(0, 1, 20, 64, 8080, 10**9, -1, 0.0, 1e-4, 2.0, True, False),
    *((), [], ("a",), ["a", "nothing/there"], ("text", "json"), ("", "-"), (None,), (3,)),
)


def commands(group: Any) -> Iterator[Any]:
    yield group
    for command in getattr(group, "commands", {}).values():
        yield from commands(command)


def parameters() -> list[tuple[str, Any]]:
    """Every option and argument of every command, with the help option that each has."""
    found = []
    for command in commands(get_command(app)):
        context = typer.Context(command)
        found += [(f"{command.name} {parameter.name}", parameter) for parameter in command.get_params(context)]
    return found


ALL = parameters()


def by_typer(parameter: Any, value: Any, context: typer.Context) -> Any:
    if parameter.type_descriptor.annotation is bool and isinstance(value, bool):
        return value
    return parameter.get_runtime_param().coerce(value, param=parameter, ctx=context)


@pytest.mark.parametrize(("name", "parameter"), ALL, ids=[name for name, _ in ALL])
def test_a_plain_value_is_what_typer_makes_of_it(name: str, parameter: Any, tmp_path: Path, monkeypatch) -> None:
    assert isinstance(parameter, TyperOption | TyperArgument)
    assert type(parameter) not in {TyperOption, TyperArgument}, "read by typer, at the price of its library"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").touch()
    context = typer.Context(get_command(app))
    read = 0
    for value in (*GIVEN, parameter.default):
        plain = plain_value(parameter, value)
        if not is_plain(plain):
            continue
        read += 1
        theirs = by_typer(parameter, value, context)
        assert (plain, type(plain)) == (theirs, type(theirs)), (name, value)
        if isinstance(plain, list):
            assert list(map(type, plain)) == list(map(type, theirs)), (name, value)
    assert read, "nothing is plain"


@pytest.mark.parametrize(("name", "parameter"), ALL, ids=[name for name, _ in ALL])
def test_what_nobody_gives_is_plain(name: str, parameter: Any) -> None:
    """Else every run would pay for an option that it does not use; a whole number for a fraction is as good as none."""
    if parameter.type_descriptor.annotation is float and isinstance(parameter.default, int):
        return
    assert is_plain(plain_value(parameter, parameter.default)), name


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({"exists": True}, "nothing"),
        ({"dir_okay": False}, "."),
        ({"file_okay": False}, "file"),
        ({"writable": True}, "file"),
        ({"resolve_path": True}, "file"),
        ({"allow_dash": True}, "-"),
        ({"path_type": str}, "file"),
        ({"parser": Path}, "file"),
    ],
    ids=str,
)
def test_a_path_with_demands_is_left_to_typer(options: dict[str, Any], value: str) -> None:
    (parameter,) = parameters_of(Path, **options)
    assert not is_plain(plain_value(parameter, value))


def test_numbers_are_plain_within_their_range_only() -> None:
    (parameter,) = parameters_of(int, min=1, max=9)
    assert [is_plain(plain_value(parameter, value)) for value in (0, 1, 9, 10, "5", True, 5.0)] == [
        *(False, True, True, False, False, False, False)
    ]
    (parameter,) = parameters_of(int, min=1, max=9, clamp=True)
    assert not is_plain(plain_value(parameter, 5))


def test_a_file_that_cannot_be_read_is_refused_by_typer(tmp_path: Path, monkeypatch) -> None:
    (parameter,) = parameters_of(Path)
    (tmp_path / "closed").touch()
    monkeypatch.setattr("os.access", lambda *_: False)
    assert not is_plain(plain_value(parameter, str(tmp_path / "closed")))
    assert is_plain(plain_value(parameter, str(tmp_path / "not there")))


def test_what_typer_says_of_a_wrong_value_is_said(run) -> None:
    done = run("verify", "x", "--policy", "y", "--audit-log-size", "0")
    assert (done.code, done.out) == (2, "")
    assert "'--audit-log-size': Input should be greater than or equal to 1" in " ".join(done.err.split())
    done = run("inspect", "x", "--format", "jsn")
    assert (done.code, done.out) == (2, "")
    assert "'jsn' is not one of 'text', 'json', 'sarif'" in " ".join(done.err.split())


def parameters_of(kind: type, **options: Any) -> list[Any]:
    one = typer.Typer(add_completion=False)

    def command(value: Any = None) -> None:
        """Does nothing."""

    command.__annotations__["value"] = Annotated[kind, typer.Option("--value", **options)]
    one.command()(command)
    return get_command(one).params
