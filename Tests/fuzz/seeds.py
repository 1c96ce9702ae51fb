"""Seeds for the fuzzers from real captures. Arguments: a directory of captures, the cache."""

import pathlib
import shutil
import sqlite3
import struct
import sys



def expand(data: bytes) -> bytes:
    """One LZ4 block (lz4_Block_format.md)."""
    out, at = bytearray(), 0
    while True:
        token = data[at]
        at += 1
        literals, matches = token >> 4, token & 15
        if literals == 15:
            while True:
                literals += data[at]
                at += 1
                if data[at - 1] != 255:
                    break
        out += data[at:at + literals]
        at += literals
        if at >= len(data):
            return bytes(out)
        offset = data[at] | data[at + 1] << 8
        at += 2
        if matches == 15:
            while True:
                matches += data[at]
                at += 1
                if data[at - 1] != 255:
                    break
        for _ in range(matches + 4):
            out.append(out[-offset])


captures, cache = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
for path in captures.glob("*.flightrec"):
    shutil.copy(path, cache / "captures" / path.name)
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        for number, kind, codec, count, raw, data in db.execute("SELECT id, kind, codec, count, raw_length, data FROM block"):
            seed = struct.pack("<BBII", kind, codec, count, raw) + data
            (cache / "blocks" / f"{path.stem}-{number}").write_bytes(seed)
            if codec == 1:
                # The same without LZ4: the harness passes over that for this bit.
                seed = struct.pack("<BBII", kind, codec | 0x80, count, raw) + expand(data)
                (cache / "blocks" / f"{path.stem}-{number}-columns").write_bytes(seed)
