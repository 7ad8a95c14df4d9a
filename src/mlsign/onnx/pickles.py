"""Whether bytes are a Python pickle, and which libraries it names, by walking its opcodes. Nothing is built, called or imported.

Protocols 0 and 1 have no header, later ones do not need theirs, and code may run long before the end: a magic number
finds only pickles that want to be found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from types import MappingProxyType
from typing import Final

from mlsign.source import ByteSource

_STOP: Final = ord(".")
_PLAIN: Final = frozenset(b"(.012NQRabdelostu])}\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x97\x98")
_SIZED: Final = MappingProxyType(
    {
        **dict.fromkeys(b"Khq\x80\x82", 1),
        **dict.fromkeys(b"M\x83", 2),
        **dict.fromkeys(b"Jjr\x84", 4),
        **dict.fromkeys(b"G\x95", 8),
    }
)
_COUNTED: Final = MappingProxyType(
    {**dict.fromkeys(b"CU\x8a\x8c", 1), **dict.fromkeys(b"BTX\x8b", 4), **dict.fromkeys(b"\x8d\x8e\x96", 8)}
)
_NAMED: Final = frozenset(b"ci")
_LINES: Final = frozenset(b"FILPSVgp")
"""The opcodes of pickles (``pickletools``): without an argument, with one of so many bytes, with a length of so many
bytes before it, with two names on lines, and with a line, which may be as long as the file. Loaders take numbers with spaces,
underscores and signs, so that any line may be one."""
_TWO_NAMES: Final = re.compile(rb"[^\s]+\n[^\s]+\n")
_NAMES: Final = frozenset(b"c\x93\x82\x83\x84")
_CALLS: Final = frozenset(b"Rbio\x81\x92")
_MANY: Final = 16
"""More opcodes in a row than this, none of them wrong, are no accident."""
_MAX_OPCODES: Final = 10_000
"""So many are looked through for names. What a model is made of stands before its numbers."""
_MAX_LINES_BYTES: Final = 8 * 1024 * 1024
"""So much is read of long lines on the way to names; what may be a pickle is followed to its end."""
_WINDOW: Final = 64
_LONG_NAMES: Final = 64 * 1024
_PIECE: Final = 1024 * 1024
_MODULE: Final = re.compile(rb"['\"]?([A-Za-z_][A-Za-z0-9_]{0,30})\.[A-Za-z_]")
"""How a text that names a module inside of a library begins; whether it is the first argument of an import or memoized for one."""


def is_pickle(source: ByteSource) -> bool:
    """Whether a pickle loader takes the start of this file and does something with it. Reads a few places of it.

    A call counts as soon as something was imported by name; what follows it does not matter then. Without a call, either
    the file is a pickle to its end or there are many opcodes. Texts are skipped, however long: they may be there to hide
    what comes behind them.
    """
    named = False
    everything = source.size + (_MANY + 1) * _LONG_NAMES
    for count, (opcode, _, end) in enumerate(_walk(source, lines_bytes=everything), start=1):
        named = named or opcode in _NAMES
        if opcode in _CALLS and (named or opcode == ord("i")):
            return True
        if opcode == _STOP:
            return count > 1 and end == source.size
        if count > _MANY:
            return True
    return False


def libraries_named(source: ByteSource, *, known: frozenset[str]) -> tuple[str, ...]:
    """Those of the ``known`` top-level modules that the pickle names modules of, in the order in which it does.

    Texts that are spelled as a module count wherever they stand, since an import may take its name from anywhere on the stack
    or in the memo; none counts where nothing is imported. It is a guess, good for advice: a pickle can name what it does not
    use, and compute names. Bounded in opcodes and bytes; what lies behind an opcode that does not exist is not looked at.
    """
    found: dict[str, None] = {}
    imports = False
    for opcode, argument, _ in islice(_walk(source, lines_bytes=_MAX_LINES_BYTES), _MAX_OPCODES):
        imports = imports or opcode in _NAMES or opcode == ord("i")
        match = _MODULE.match(argument)
        if match and (name := match[1].decode("ascii")) in known:
            found[name] = None
    return tuple(found) if imports else ()


def _walk(source: ByteSource, *, lines_bytes: int) -> Iterator[tuple[int, bytes, int]]:
    """Each opcode, the start of its argument where that is a text or lines, and where the next one stands, up to one that is wrong.

    Of lines so many bytes are read in all.
    """
    at = 0
    while at < source.size:
        window = source.read_at(at, min(_WINDOW, source.size - at))
        opcode = window[0]
        argument = b""
        if opcode in _NAMED:
            if len(window) == _WINDOW and window.count(b"\n") < 2:
                window = source.read_at(at, min(_LONG_NAMES, source.size - at))
                lines_bytes -= len(window)
            match = _TWO_NAMES.match(window, 1)
            if match is None or lines_bytes < 0:
                return
            argument = window[1:_WINDOW]
            at += match.end()
        elif opcode in _LINES:
            argument = window[1:]
            length = _line_bytes(source, at + 1, most=lines_bytes)
            if not length or (opcode == ord("S") and argument[:1] not in (b"'", b'"')):
                return
            lines_bytes -= length
            at += 1 + length
        elif opcode in _SIZED:
            at += 1 + _SIZED[opcode]
        elif opcode in _COUNTED:
            size = _COUNTED[opcode]
            length = int.from_bytes(window[1 : 1 + size], "little")
            argument = window[1 + size : 1 + size + length]
            at += 1 + size + length
        elif opcode in _PLAIN:
            at += 1
        else:
            return
        yield opcode, argument, at


def _line_bytes(source: ByteSource, start: int, *, most: int) -> int:
    """How long the line at ``start`` is, with its end; 0 where there is no end within ``most`` bytes.

    Reads in pieces that double, so not much more than there is of the line.
    """
    at, stop = start, min(source.size, start + most)
    while at < stop:
        piece = source.read_at(at, min(max(_WINDOW, at - start), _PIECE, stop - at))
        end = piece.find(b"\n")
        if end >= 0:
            return at + end + 1 - start
        at += len(piece)
    return 0
