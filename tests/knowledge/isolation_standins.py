"""What a hostile file makes a child process do."""

import ctypes
import os
import time


def hostile(argument: bytes) -> bytes:
    match argument:
        case b"loop":
            while True:
                pass
        case b"allocate":
            return b"".join(bytes(10_000_000) for _ in range(1_000))
        case b"crash":
            ctypes.string_at(0)
        case b"raise":
            raise ZeroDivisionError
        case b"exit":
            raise SystemExit(3)
        case b"sleep":
            time.sleep(0.5)
        case b"limit":
            import resource

            return str(resource.getrlimit(resource.RLIMIT_AS)[0]).encode()
    return str(os.getpid()).encode()
