"""Seeds for the fuzzers from real captures. Arguments: a directory of captures, the cache.

Whole captures are of 100 KiB and more, most of it the empty rest of pages: those that are opened are made small, with every
table but few rows, on pages of 512 bytes. That is a dozen times as many executions a second.
"""

import pathlib
import sqlite3
import struct
import sys
import zlib


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


def small(capture: pathlib.Path, target: pathlib.Path) -> None:
    """A capture with at most three rows of each table, and its seal."""
    work = target.with_suffix(".work")
    work.write_bytes(capture.read_bytes()[:-12])
    target.unlink(missing_ok=True)
    with sqlite3.connect(work) as db:
        tables = [name for name, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")]
        for table in tables:
            if table == "finding":
                db.execute("DELETE FROM finding WHERE position > 2")
            elif table == "block":
                # One of each kind, the shortest.
                db.execute("DELETE FROM block WHERE id NOT IN (SELECT id FROM (SELECT id, min(length(data)) FROM block GROUP BY kind))")
            elif table not in ("incident", "stage", "turn_slow"):
                columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[5]]
                order = ", ".join(columns) or "rowid"
                db.execute(f"DELETE FROM {table} WHERE ({order}) NOT IN (SELECT {order} FROM {table} ORDER BY {order} LIMIT 3)")
    db = sqlite3.connect(work, isolation_level=None)
    db.execute("PRAGMA page_size = 512")
    db.execute("VACUUM")
    db.close()
    data = work.read_bytes()
    work.unlink()
    target.write_bytes(data + b"FLTRSEAL" + struct.pack("<I", zlib.crc32(data)))


captures, cache = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
for path in captures.glob("*.flightrec"):
    small(path, cache / "captures" / path.name)
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        for number, kind, codec, count, raw, data in db.execute("SELECT id, kind, codec, count, raw_length, data FROM block"):
            seed = struct.pack("<BBII", kind, codec, count, raw) + data
            (cache / "blocks" / f"{path.stem}-{number}").write_bytes(seed)
            if codec:
                # The same without LZ4: the harness passes over that for this bit.
                seed = struct.pack("<BBII", kind, codec | 0x80, count, raw) + expand(data)
                (cache / "blocks" / f"{path.stem}-{number}-columns").write_bytes(seed)
