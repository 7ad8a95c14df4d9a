"""Commands that are imported when they are asked for, and how often Python collects in them."""

import gc
import subprocess
import sys
from typing import Any

import pytest
import typer
from running import CLEAN
from typer.main import get_command

from mlsign.cli.collector import collect_as_usual, collect_seldom, leave
from mlsign.cli.late_commands import LateGroup
from mlsign.cli.main import app


def groups(group: Any, path: str = "mlsign") -> list[tuple[str, Any]]:
    inner = [(f"{path} {name}", command) for name, command in group.commands.items() if hasattr(command, "commands")]
    return [(path, group), *(found for name, command in inner for found in groups(command, name))]


LATE = [(name, group) for name, group in groups(get_command(app)) if isinstance(group, LateGroup)]


def test_the_groups_are_late() -> None:
    assert [name for name, _ in LATE] == ["mlsign", "mlsign policy"]


@pytest.mark.parametrize(("name", "group"), LATE, ids=[name for name, _ in LATE])
def test_every_command_is_where_the_table_says(name: str, group: LateGroup) -> None:
    context = typer.Context(group)
    assert group.list_commands(context) == list(group.table)
    for word, (_, line) in group.table.items():
        command = group.get_command(context, word)
        assert command is group.get_command(context, word), "made twice"
        assert command.name in {word, ""}
        assert command.help
        assert line in group.get_help(context)
        assert f"  {word}  " in group.get_help(context)
    assert group.get_command(context, "nothing") is None
    assert "nothing" not in group.commands


def test_a_group_that_is_made_has_made_no_command() -> None:
    probe = (
        "import sys\nfrom typer.main import get_command\nfrom mlsign.cli.main import app\ntop = get_command(app)\n"
        "top.list_commands(None), top.get_help(__import__('typer').Context(top)), len(top.commands), 'verify' in top.commands\n"
        "print([name for name in sys.modules if name.startswith('mlsign.cli.commands.')])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, env=CLEAN, check=True)
    assert done.stdout == "[]\n"


def test_a_slip_of_the_pen_is_told_what_was_meant(run) -> None:
    for words, meant in ((("vrify",), "verify"), (("policy", "chek"), "check")):
        done = run(*words)
        assert (done.code, done.out) == (2, "")
        assert f"No such command '{words[-1]}'. Did you mean '{meant}'?" in " ".join(done.err.split())


def test_collecting_is_put_off_and_taken_up_again() -> None:
    usual = gc.get_threshold()
    collect_seldom()
    assert gc.get_threshold()[0] > usual[0]
    collect_as_usual()
    assert gc.get_threshold() == usual
    assert gc.get_freeze_count() > 0
    leave()
    assert gc.isenabled()
