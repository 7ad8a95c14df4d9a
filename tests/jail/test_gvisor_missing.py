"""Where gVisor was asked for and is not there, or is something else: nothing is scored, whatever else is allowed."""

import os
import shlex
import sys
from pathlib import Path

import pytest
from processes import open_descriptors

from mlsign.errors import JailError
from mlsign.sandbox.gvisor.process import descendants
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.layers import Wall
from mlsign.sandbox.spec import JailSpec


@pytest.fixture
def refused(memory, doubler, tmp_path, monkeypatch):
    """The error of a start with this program in the place of ``runsc``."""

    def attempt(script: str | None, **spec) -> JailError:
        if script is not None:
            (tmp_path / "runsc").write_text(script)
            (tmp_path / "runsc").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        before = open_descriptors(), descendants(os.getpid())
        with pytest.raises(JailError) as caught:
            Jail.start(memory.model(doubler), spec=JailSpec(wall=Wall.GVISOR, **spec), allow_unsandboxed=True)
        after = open_descriptors(), descendants(os.getpid())
        assert (len(after[0]) - len(before[0]), after[1]) == (1, before[1])  # the sealed model of this very attempt
        return caught.value

    return attempt


def test_without_runsc_the_error_says_how_to_get_it(refused):
    error = refused(None)
    assert (error.code, error.message) == ("sandbox.unavailable", "gVisor was asked for, and there is no runsc on PATH")
    assert "install runsc" in error.hint


def test_what_a_failing_runsc_says_is_passed_on(refused):
    error = refused("#!/bin/sh\necho 'running container: cannot create sandbox' >&2\nexit 128\n")
    assert error.code == "sandbox.unavailable"
    assert "it ended with status 128; its last words: running container: cannot create sandbox" in error.message
    assert "mlsign sandbox status" in error.hint


def test_a_runsc_that_is_no_program_is_refused(refused):
    assert refused("no program").code == "sandbox.unavailable"


def test_a_runsc_that_ends_at_once_without_a_word_is_refused(refused):
    assert refused("#!/bin/sh\n").code == "sandbox.unavailable"


def test_a_runsc_that_hangs_is_ended_by_the_deadline(refused):
    assert refused("#!/bin/sh\nexec /bin/sleep 60\n", start_seconds=0.5).code == "sandbox.deadline"


def test_a_runsc_that_is_no_wall_is_found_out(refused):
    """It starts the honest worker, which confines itself within: all that is missing is gVisor."""
    search = [
        str(Path(sys.modules["mlsign"].__file__).parents[1]),
        *(path for path in sys.path if path.endswith("site-packages")),
    ]
    start = f"import sys; sys.path += {search!r}; from mlsign.sandbox.gvisor.worker import main; main()"
    words = "ORT_DISABLE_TELEMETRY=1 OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MALLOC_ARENA_MAX=1 NUMPY_MADVISE_HUGEPAGE=0"
    error = refused(f"#!/bin/sh\nexec env {words} {shlex.join([sys.executable, '-I', '-S', '-B', '-c', start])}\n")
    assert (error.code, error.where) == ("sandbox.layer", "gvisor")
    assert "0 processes of gVisor's kernel" in error.message
