"""Fuzz target: frames, which a worker that was taken over may fill with anything.

Only ``InputError`` may escape (``JailError`` where outputs are declared), and what decodes has one spelling. With ``--corpus`` the seeds are written anew.
"""

import random
import struct
import sys
from pathlib import Path

from mlsign.errors import InputError, JailError
from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.limits import Limits
from mlsign.sandbox.arrays import decode_result
from mlsign.sandbox.outputs import decode_outputs, mismatch
from mlsign.sandbox.protocol import HEAD_BYTES, Frame, Kind, decode_frame, encode_frame
from mlsign.sandbox.results import encode_results_json
from mlsign.sandbox.values import Absent, Map, Sequence, Strings, Tensor

CORPUS = Path(__file__).parent / "corpora" / "frames"
LIMITS = Limits(max_input_bytes=1 << 20, max_output_bytes=1 << 20)
DECLARED = TypeSpec(kind=ValueKind.TENSOR, element="float", shape=("n", 2))
ZIPMAP = TypeSpec(
    kind=ValueKind.SEQUENCE,
    inner=TypeSpec(kind=ValueKind.MAP, element="string", inner=TypeSpec(kind=ValueKind.TENSOR, element="double")),
)
TEXTS = TypeSpec(kind=ValueKind.TENSOR, element="string", shape=("n", "m"))
OPTIONAL = TypeSpec(kind=ValueKind.SEQUENCE, inner=TypeSpec(kind=ValueKind.OPTIONAL, inner=ZIPMAP))
NESTED = TypeSpec(kind=ValueKind.SEQUENCE, inner=OPTIONAL)
OUTPUTS = [
    (ValueSpec(name=name, type=type_),)
    for name, type_ in (("tensor", DECLARED), ("zipmap", ZIPMAP), ("strings", TEXTS), ("nested", NESTED))
]
INTERESTING = (0, 1, 2, 3, 5, 8, 9, 16, 0x7F, 0x80, 0xFF, 1 << 16, 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 63, (1 << 64) - 1)
WORDS = [struct.pack("<Q", number) for number in INTERESTING]


def decoded(data: bytes) -> Frame | InputError:
    try:
        return decode_frame(data, limits=LIMITS)
    except InputError as err:
        return err


def check_declared(body: bytes) -> None:
    """As the parent reads it: what is declared comes out, or a ``JailError``, and nothing else."""
    for outputs in OUTPUTS:
        try:
            found = decode_outputs(body, outputs=outputs, limits=LIMITS, tick=lambda: None)
        except JailError as err:
            assert err.code in ("sandbox.frame", "sandbox.output", "sandbox.output.name", "sandbox.output.size"), err.code
            assert "\x1b" not in str(err)
            assert len(str(err)) < 2000
        else:
            encode_results_json(found)  # no output above is complex


def check(data: bytes) -> None:
    """Decodes ``data`` as a frame; raises ``AssertionError`` on a frame with two spellings."""
    check_declared(data[HEAD_BYTES:])
    frame = decoded(data)
    if isinstance(frame, InputError):
        assert frame.code.startswith(("frame.", "json.")), frame.code
        assert "\x1b" not in str(frame)
        return
    assert encode_frame(frame) == data
    for value in (frame.values or {}).values():
        decode_result(value)
        assert isinstance(mismatch(value, DECLARED), str)


def seeds() -> dict[str, bytes]:
    """One frame of each kind and value."""
    column = Strings((2,), ("no", "yes"))
    scores = Tensor("double", (2,), struct.pack("<2d", 0.25, 0.75))
    values = {
        "tensor": Tensor("float", (3, 2), bytes(24)),
        "booleans": Tensor("bool", (3,), b"\0\1\0"),
        "bits": Tensor("bfloat16", (2,), b"\x80\x3f\xc0\x7f"),
        "packed": Tensor("int4", (3,), b"\x21\x03"),
        "empty": Tensor("int64", (0, 5), b""),
        "strings": Strings((2, 1), ("a", "\u00fc")),
        "zipmap": Sequence((Map(column, scores), Map(column, scores))),
        "nested": Sequence((Sequence(()), Sequence((Absent(),)))),
    }
    out = {name: Frame(kind=Kind.RESULT, request=1, document=None, values={name: value}) for name, value in values.items()}
    out["all"] = Frame(kind=Kind.RUN, request=2**63, document=None, values=values)
    out["nothing"] = Frame(kind=Kind.RESULT, request=0, document=None, values={})
    out["error"] = Frame(kind=Kind.ERROR, request=9, document={"code": "sandbox.memory", "message": "x\u001b"}, values=None)
    out["layers"] = Frame(kind=Kind.CONFINED, request=0, document=[{"name": "seccomp", "in_force": True}], values=None)
    return {name: encode_frame(frame) for name, frame in out.items()}


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Bytes flipped, numbers replaced by interesting ones, pieces cut, doubled; the announced length made to fit."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(out))
        match rng.randint(0, 4):
            case 0 if at < len(out):
                out[at] ^= 1 << rng.randint(0, 7)
            case 1:
                width, layout = rng.choice(((1, "<B"), (2, "<H"), (4, "<I"), (8, "<Q")))
                out[at : at + width] = struct.pack(layout, rng.choice(INTERESTING) & (2 ** (8 * width) - 1))
            case 2:
                del out[at : at + rng.randint(1, 12)]
            case 3:
                out[at:at] = out[at : at + rng.randint(1, 24)]
            case _:
                out[at:at] = rng.randbytes(rng.randint(1, 8))
    if rng.random() < 0.8 and len(out) >= HEAD_BYTES:
        out[HEAD_BYTES - 8 : HEAD_BYTES] = struct.pack("<Q", len(out) - HEAD_BYTES)
    return bytes(out)


if __name__ == "__main__":
    if "--corpus" in sys.argv:
        for name, data in seeds().items():
            (CORPUS / name).write_bytes(data)
    else:
        from engine import fuzz

        fuzz("frames")
