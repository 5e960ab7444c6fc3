"""A compressed file as one that can be read anywhere in it."""

import gzip
import os
import zlib
from tempfile import TemporaryFile

LARGEST = 32 * 1024 * 1024  # bytes uncompressed; they may be held in memory
CHUNK = 65_536


class PackedError(Exception):
    """A compressed file that is not unpacked, and why."""


def unpacked(fd: int) -> int:
    """Return the descriptor of a file without a name that holds what ``fd`` does uncompressed.

    Raises:
        PackedError: it is damaged or too large.
        OSError: there is no room for it.
    """
    with TemporaryFile() as plain, os.fdopen(os.dup(fd), "rb") as packed:
        try:
            with gzip.open(packed) as file:
                while chunk := file.read(CHUNK):
                    if plain.tell() + len(chunk) > LARGEST:
                        raise PackedError(f"it is compressed and holds over {LARGEST:,} bytes")
                    plain.write(chunk)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise PackedError("it is compressed and damaged") from error
        plain.flush()
        return os.dup(plain.fileno())
