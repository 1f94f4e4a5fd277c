"""The CPU rasterizer with the other width of vectors than this machine's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from splatpose.render.cpu.simd import LANES

# Numba looks at the processor once, for code that runs here; the vector type asks again.
CODE = """
import sys
import llvmlite.binding as llvm
import numba
import pytest

numba.njit(lambda: 1)()
look = llvm.get_host_cpu_features

def pretend():
    features = look()
    features["avx512f"] = features["avx512vl"] = {wide}
    return features

llvm.get_host_cpu_features = pretend
from splatpose.render.cpu import assistant
from splatpose.render.cpu.simd import LANES

# A second process would compile the backward pass with this machine's own width.
assistant._cores = lambda: 1

assert LANES == (16 if {wide} else 8)
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""


@pytest.mark.slow
def test_the_other_width_of_vectors_is_as_right(tmp_path: Path) -> None:
    tests = Path(__file__).parent
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            CODE.format(wide=LANES == 8),
            str(tests / "test_cpu.py"),
            str(tests / "test_loss.py"),
        ],
        cwd=tests.parents[1],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
