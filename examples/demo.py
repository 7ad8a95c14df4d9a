"""The main job from end to end, through the real command line: pack, sign, verify, score, and three refusals.

Works in ``./demo`` (made anew each time) and prints every command before its output. Ends with 0 only when every step
ended with the exit code that it should have.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
IRIS = HERE / "iris"
WORK = Path("demo")
MARK = ".made-by-the-demo"
MLSIGN = Path(sys.executable).with_name("mlsign")
ALLOWED, DENIED = 0, 1


class Demo:
    """Runs commands in the working folder and keeps count of those that did not end as they should."""

    def __init__(self) -> None:
        self.surprises: list[str] = []
        # Colour and the width of this terminal for the child, which sees a pipe when this output is one.
        self.environment = os.environ | {"COLUMNS": str(min(shutil.get_terminal_size((100, 24)).columns, 100))}

    def say(self, text: str) -> None:
        print(f"\n\n# {text}", flush=True)

    def run(self, command: str, *, expect: int = 0) -> None:
        """One command as a person would type it; its exit code is shown and compared."""
        print(f"\n$ {command}", flush=True)
        words = shlex.split(command)
        program = [str(MLSIGN)] if words[0] == "mlsign" else [words[0]]
        # One stream for both outputs of the command: on paper they would otherwise change places.
        code = subprocess.run(
            [*program, *words[1:]], cwd=WORK, env=self.environment, stderr=subprocess.STDOUT, check=False
        ).returncode
        if code != 0 or expect != 0:
            print(f"[exit code {code}]", flush=True)
        if code != expect:
            self.surprises.append(f"{command}: exit code {code}, expected {expect}")

    def do(self, text: str) -> None:
        """Something that the demo does itself, shown like a command."""
        print(f"\n$ {text}", flush=True)


def main() -> int:
    """The whole story; the exit code of the demo."""
    started = time.monotonic()
    prepare()
    demo = Demo()
    release(demo)
    scoring(demo)
    refusals(demo)
    for surprise in demo.surprises:
        print(f"\ndemo: {surprise}", file=sys.stderr)
    if not demo.surprises:
        took = time.monotonic() - started
        print(
            f"\n\nAll of it went as it should, in {took:.0f} seconds. Look around in {WORK}/; docs/quickstart.md goes on from here."
        )
    return 1 if demo.surprises else 0


def prepare() -> None:
    """A working folder with what a team would have: the model, rows, a policy to start from, a password."""
    if WORK.exists():
        if not (WORK / MARK).is_file():
            sys.exit(f"demo: {WORK}/ is in the way and was not made by this demo")
        shutil.rmtree(WORK)
    (WORK / "keys").mkdir(parents=True)
    (WORK / MARK).touch()
    for source, name in (
        (ROOT / "policies" / "baseline.yaml", "policy.yaml"),
        (IRIS / "model.onnx", "iris.onnx"),
        (IRIS / "refused.onnx", "helpful.onnx"),
        (IRIS / "rows.csv", "rows.csv"),
    ):
        shutil.copy(source, WORK / name)
    password = WORK / "keys" / "password"
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(24) + "\n", encoding="utf-8")


def release(demo: Demo) -> None:
    demo.say("The team that trained the model packs it. The package is a folder with a manifest.")
    demo.run("mlsign pack iris.onnx -o iris-1.0.0 --license Apache-2.0")
    demo.say("It has a signing key. The private half is encrypted; the public half goes into policies.")
    demo.run("mlsign keygen -o keys/release --password-file keys/password")
    demo.say("Signing adds one file and changes none.")
    demo.run("mlsign sign iris-1.0.0 --key keys/release.key --password-file keys/password")
    demo.run("find iris-1.0.0 -type f")


def scoring(demo: Demo) -> None:
    demo.say("Whoever wants to use it asks the policy. policy.yaml is policies/baseline.yaml, unchanged.")
    demo.run("mlsign verify iris-1.0.0 --policy policy.yaml")
    demo.say("Scoring verifies again, into memory that nobody can change, and runs those bytes in a confined process.")
    demo.run("mlsign score iris-1.0.0 --policy policy.yaml --input rows.csv --output scores.csv")
    demo.run("head -4 scores.csv")


def refusals(demo: Demo) -> None:
    demo.say("Refusal 1: somebody flips one bit in the weights.")
    demo.do("cp -r iris-1.0.0 tampered-1.0.0   # and then one bit of model.onnx is flipped")
    shutil.copytree(WORK / "iris-1.0.0", WORK / "tampered-1.0.0")
    flip_bit(WORK / "tampered-1.0.0" / "model.onnx")
    demo.run("mlsign verify tampered-1.0.0 --policy policy.yaml", expect=DENIED)

    demo.say(
        "Refusal 2: signed by the right key, but a branch that honest rows never take hides a loop of a thousand million turns."
    )
    demo.run("mlsign pack helpful.onnx -o helpful-1.0.0")
    demo.run("mlsign sign helpful-1.0.0 --key keys/release.key --password-file keys/password")
    demo.run("mlsign verify helpful-1.0.0 --policy policy.yaml", expect=DENIED)

    demo.say("Refusal 3: nobody signed it. What is denied is never run, so there are no scores either.")
    demo.run("mlsign pack iris.onnx -o unsigned-1.0.0")
    demo.run("mlsign score unsigned-1.0.0 --policy policy.yaml --input rows.csv --output never.csv", expect=DENIED)
    if (WORK / "never.csv").exists():
        demo.surprises.append("a denied package was scored")


def flip_bit(path: Path) -> None:
    """Changes one weight by the smallest possible amount."""
    data = bytearray(path.read_bytes())
    # In this file the numbers of a tensor stand right before its name (field 8, 11 bytes long), lowest byte first.
    data[data.index(b"\x42\x0bcoefficient") - 4] ^= 1
    path.write_bytes(data)


if __name__ == "__main__":
    sys.exit(main())
