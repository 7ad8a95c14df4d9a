"""Groups whose commands are imported when they are asked for: what the others read and import costs a run nothing."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, ClassVar

import typer
from typer.main import get_command

from mlsign.cli.plain_values import PlainCommand, PlainGroup


class LateGroup(PlainGroup):
    """A group of the commands in ``table``: where each is, as module and name, and the line that the help of the group has.

    The name is that of a function, whose help is ``HELP`` of its module, or of an app, which is a group itself.
    """

    table: ClassVar[Mapping[str, tuple[str, str]]] = MappingProxyType({})

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Commands({name: home for name, (home, _) in self.table.items()})

    def list_commands(self, _: Any) -> list[str]:
        return list(self.table)

    def format_commands(self, _: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])


class _Commands(UserDict[str, Any]):
    """Commands by name. Until one is asked for, its home stands in its place."""

    def __getitem__(self, name: str) -> Any:
        if isinstance(home := self.data[name], str):
            self.data[name] = _command(name, home)
        return self.data[name]


def _command(name: str, home: str) -> Any:
    place, _, attribute = home.partition(":")
    module = import_module(f"mlsign.cli.commands.{place}")
    found = getattr(module, attribute)
    if isinstance(found, typer.Typer):
        return get_command(found)
    one = typer.Typer(add_completion=False, rich_markup_mode=None)
    one.command(name, cls=PlainCommand, help=module.HELP)(found)
    return get_command(one)
