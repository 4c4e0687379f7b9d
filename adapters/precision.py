"""Which number format a processor runs a model in more quickly."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

# Instructions that multiply bfloat16 in hardware (Linux's names); without them it is emulated and slower.
NATIVE_BFLOAT16 = frozenset({"amx_bf16", "avx512_bf16", "bf16"})


def quicker_precision(cpuinfo: Path = Path("/proc/cpuinfo")) -> Literal["float32", "bfloat16"]:
    """Choose bfloat16 where the processor computes in it natively, else float32.

    A rule rather than a measurement, so that a busy moment at the start never changes what a model says.
    """
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return "float32"
    flags = next(
        (line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features"))), []
    )
    return "bfloat16" if NATIVE_BFLOAT16.intersection(flags) else "float32"
