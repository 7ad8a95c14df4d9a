"""Writes ``errors.md``: exit codes, finding codes, and every error code that the sources can raise.

Error codes are read off the sources: each place that makes an error gives its ``code``, some by a function or a
``Fields`` that puts the format's name before it. A code that this walk cannot spell out ends the build.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlsign.cli.main import DEFECT, EXIT_OF, INTERRUPTED, USAGE
from mlsign.evidence.catalogue.model_unread import BY_ERROR as BY_UNREAD
from mlsign.evidence.catalogue.model_unread import code_of_unread
from mlsign.evidence.catalogue.pages import ENTRIES
from mlsign.evidence.catalogue.sandbox import BY_ERROR

SOURCES = Path(__file__).resolve().parent.parent / "src" / "mlsign"
FAMILIES = ("InputError", "TrustError", "OutsideError", "JailError")
RAISING = {**{name: name for name in FAMILIES}, "Denied": "TrustError", "RefusedToSign": "InputError"}
_DOTTED = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
_EXIT_MEANING = {
    0: ("done, or allowed", ""),
    1: ("denied by the policy", "`TrustError`"),
    USAGE: ("wrong usage: an option, an argument, no terminal to ask on", "codes `usage.…`"),
    3: ("the input is not what it claims to be, or not what was asked for", "`InputError`"),
    4: ("something outside failed: disk, memory, the sandbox; nothing is known about the input", "`OutsideError`, `JailError`"),
    DEFECT: ("a defect of mlsign; nothing was allowed", "anything else"),
    INTERRUPTED: ("interrupted from the keyboard; nothing was allowed", ""),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One place that makes an error."""

    code: str
    family: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefixed:
    """A function of one module that makes errors: its code is ``prefix`` and the one that it is given."""

    prefix: str
    family: str
    code_at: int | None


def sites() -> tuple[Site, ...]:
    """Every place in the sources that makes an error with a code of its own, frames between parent and worker aside."""
    trees = {path.relative_to(SOURCES).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES.rglob("*.py")}
    shared = {name: maker for tree in trees.values() for name, maker in _makers(tree) if not name.startswith("_")}
    found = [site for path, tree in sorted(trees.items()) for site in _module(path, tree, shared)]
    # What is wrong with a frame is told as sandbox.frame; its own codes never leave the package.
    return tuple(site for site in found if not site.code.startswith("frame."))


def _module(path: str, tree: ast.Module, shared: Mapping[str, Prefixed]) -> Iterator[Site]:
    own = dict(_makers(tree))
    makers = {**shared, **own}
    # The error that such a function makes for its callers is not one of its own.
    inside = {id(call) for function in ast.walk(tree) if getattr(function, "name", "") in own for call in _calls(function)}
    formats = sorted({text for call in _calls(tree) if (text := _text(_keyword(call, "format_name")))}) or [
        "policy" if path.startswith("policy/") else "FORMAT"
    ]
    told = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    for call in _calls(tree):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        words = next((text for arg in call.args if (text := _words(arg) or _told(arg, told, before=call.lineno))), "")
        if name in RAISING and id(call) not in inside:
            if code := _text(_keyword(call, "code")):
                unnamed = "WHAT" if path == "package/read.py" else "FORMAT"
                yield Site(code=code if code[0] != "…" else unnamed + code[1:], family=RAISING[name], message=words)
        elif name in makers:
            maker = makers[name]
            if code := _text(_keyword(call, "code") or _positional(call, maker.code_at)):
                yield Site(code=f"{maker.prefix}{code}", family=maker.family, message=words)
        elif name == "wrong" and (code := _text(_keyword(call, "code"))):
            for owner in formats:
                yield Site(code=f"{owner}.{code}", family="InputError", message=words)


def _makers(tree: ast.Module) -> Iterator[tuple[str, Prefixed]]:
    """Functions that take a code and make an error of it, with or without a prefix."""
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name != "wrong"):
        names = [arg.arg for arg in function.args.args]
        if "code" not in [*names, *(arg.arg for arg in function.args.kwonlyargs)]:
            continue
        for call in _calls(function):
            family = getattr(call.func, "id", "")
            value = _keyword(call, "code")
            if family not in FAMILIES:
                continue
            if isinstance(value, ast.JoinedStr) and isinstance(value.values[0], ast.Constant):
                prefix = str(value.values[0].value)
            elif isinstance(value, ast.Name) and value.id == "code":
                prefix = ""
            else:
                continue
            yield function.name, Prefixed(prefix=prefix, family=family, code_at=names.index("code") if "code" in names else None)


def _told(node: ast.expr, assigned: list[ast.Assign], *, before: int) -> str:
    """The words of a variable: what the nearest line above gave it."""
    name = getattr(node, "id", None)
    above = [a for a in assigned if a.lineno < before and any(getattr(target, "id", None) == name for target in a.targets)]
    return _words(max(above, key=lambda a: a.lineno).value) if name and above else ""


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _positional(call: ast.Call, index: int | None) -> ast.expr | None:
    return call.args[index] if index is not None and index < len(call.args) else None


def _text(node: ast.expr | None) -> str:
    """A code that is spelled out, with ``…`` where a value is put in; empty for one that is passed on."""
    text = _words(node)
    return text if re.fullmatch(r"[a-z0-9_….]+", text) and text.strip("….") else ""


def _words(node: ast.expr | None) -> str:
    """The text of a string or a format string, ``…`` for what is put into it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return ""


def build() -> str:
    """The whole page."""
    by_code: dict[str, list[Site]] = defaultdict(list)
    for site in sites():
        by_code[site.code].append(site)
    for code in BY_ERROR:  # those that a worker reports are made of two halves
        by_code.setdefault(code, [Site(code=code, family="JailError", message="")])
    exits = {family.__name__: code for family, code in EXIT_OF}
    lines = [_TOP, "| exit code | meaning | raised as |", "|---|---|---|"]
    lines += [f"| {code} | {meaning} | {family} |" for code, (meaning, family) in sorted(_EXIT_MEANING.items())]
    lines += [_FINDINGS, "| code | title |", "|---|---|"]
    lines += [f"| [{entry.code}](findings/{entry.code}.md) | {_cell(entry.title)} |" for entry in ENTRIES.values()]
    lines += [_ERRORS, "| code | exit code | finding | says |", "|---|---|---|---|"]
    for code, found in sorted(by_code.items()):
        exit_codes = {USAGE} if code.startswith("usage.") else {exits[site.family] for site in found}
        numbers = ", ".join(map(str, sorted(exit_codes)))
        words = list(dict.fromkeys(_cell(site.message) for site in found if site.message))
        pages = ", ".join(f"[{finding}](findings/{finding}.md)" for finding in _findings(code, set(by_code)))
        lines.append(f"| `{code}` | {numbers} | {pages} | {'; '.join(words[:3])} |")
    return "\n".join(lines) + "\n"


def _findings(code: str, rows: set[str]) -> list[str]:
    """The codes of the findings that this error becomes; of a row that stands for several, those of all that have none."""
    if code in BY_ERROR:
        return [BY_ERROR[code]]
    if not code.startswith("onnx."):
        return []
    others = {finding for error, finding in BY_UNREAD.items() if error not in rows and error.startswith(code.removesuffix("…"))}
    return sorted(others | {code_of_unread(code)})


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


_TOP = """# Exit codes, findings and errors

Generated by `make docs` from the sources; do not edit.

## Exit codes

`mlsign diff` has those of `diff` instead: 0 the same, 1 different, 2 whatever the trouble is ([comparing](comparing.md#exit-codes)).
"""

_FINDINGS = """
## Findings

A finding is one line of a report: something a check came to. It passes, fails, or is unknown because the check could
not run; only a pass counts for a package. Codes never change their meaning. `mlsign explain CODE` prints the same pages.
"""

_ERRORS = """
## Errors

An error is something that could not be done at all. `--verbose` prints its code; the library has it as `error.code`.
Where a file is at fault, a report carries the code as the cause of a finding. `…` stands for what is put in, `FORMAT` for
the format that is read (`bundle`, `manifest`, `operator_set`, `provenance`, `statement`), and `WHAT` for the kind of file
that was named (`key`, `password`, `policy`, `provenance`, `signature`).
"""
