"""The page: one file that loads nothing, with a policy that lets a browser run our script and use our style, and nothing else.

Owns the head, the hashes of what is embedded, and data for the script. Leaves the body to whoever reports.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from math import isfinite
from typing import Final, TypeAlias

from mlsign.errors import shown
from mlsign.report.html.elements import Element, element, escaped, render_element

Plain: TypeAlias = "str | int | float | bool | Sequence[Plain] | Mapping[str, Plain] | None"
"""What the script of a page may be given."""

_STYLE: Final = "style.css"
_MAX_NAME_CHARS: Final = 200
_CLOSED: Final = "default-src 'none'; style-src {style}; script-src {script}; img-src data:; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What is different from page to page. ``scripts`` are names of files beside this module; ``data`` is for them, by the id of its
    element.
    """

    title: str
    body: Sequence[Element]
    scripts: tuple[str, ...] = ()
    data: Mapping[str, Plain] | None = None


def document(page: Page) -> str:
    """The whole file, in one encoding (UTF-8). Whatever stands in ``page`` changes nothing of what a browser runs or loads."""
    style = _shipped(_STYLE)
    script = "\n".join(map(_shipped, page.scripts))
    policy = _CLOSED.format(style=_source(style), script=_source(script) if script else "'none'")
    skip = element("a", "Skip to the report", class_="skip", href="#report")
    blocks = "".join(
        f'<script type="application/json" id="{escaped(name)}">{encode_data(value)}</script>\n'
        for name, value in (page.data or {}).items()
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="generator" content="mlsign">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escaped(page.title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f"{render_element(skip)}\n{''.join(map(render_element, page.body))}\n{blocks}"
        f"{f'<script>{script}</script>' if script else ''}\n</body>\n</html>\n"
    )


def encode_data(value: Plain) -> str:
    """JSON that ends no script element: nothing but ASCII, without ``<``, ``>`` and ``&``. Texts are made visible and cut short."""
    text = json.dumps(_visible(value), separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _visible(value: Plain) -> Plain:
    if isinstance(value, str):
        return shown(value, limit=_MAX_NAME_CHARS)
    if isinstance(value, float):
        return value if isfinite(value) else None
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, Mapping):
        return {shown(key): _visible(each) for key, each in value.items()}
    return [_visible(each) for each in value]


def _source(text: str) -> str:
    """The text as a source of a content security policy: its hash, as the browser computes it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _shipped(name: str) -> str:
    return files("mlsign.report.html").joinpath(name).read_text(encoding="utf-8")
