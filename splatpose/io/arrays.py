"""What NumPy raises on damaged .npy and .npz files; there is no common base class."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib

DAMAGED_ARRAYS = (
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    SyntaxError,
    OverflowError,
    MemoryError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""Besides `OSError`. Headers are Python literals, and may claim more than memory holds."""
