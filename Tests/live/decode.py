"""Reads the events of a capture by schema/BLOCKS.md alone, knowing nothing of flightrec's code. Argument: a capture.

Prints one JSON object a record: kind, ts and every field.
"""

import json
import sqlite3
import sys
import zlib

M64 = (1 << 64) - 1
HEADER = "ts:8 cgroup:8 socket:4 kind:2 cpu:2"
STRUCTS = {
    1: "established:8 leaf_cgroup:8 netns:4 pid:4 family:2 local_port:2 remote_port:2 role:1 flags:1 local:16 remote:16 comm:16 write_seq:4 rcv_nxt:4",
    2: "start:8 rx_last:8 rx_first:8 woken:8 read_first:8 read_last:8 tx_first:8 tx_last:8 rx_bytes:8 tx_bytes:8 sndbuf_wait:8 rwnd_wait:8 acked:8 "
       "tid:4 srtt_us:4 sequence:4 retransmits:2 role:1 flags:1 tx_tid:4 nagle_us:4 rx_late_us:4 rx_cpu:2 unseen:2 "
       "send_wait:8 tcp_receive:8",
    4: "rto_ms:4 rtx_kind:1 ca_state:1 backoff:1 state:1 srtt_us:4 pad:4",
    5: "duration:8 sndbuf_wait:8 rwnd_wait:8 turns:4 retransmits:4 syn_retries:2 state_kind:1 pad:5",
    6: "reset_kind:4 pad:4",
    7: "location:8 reason:4 count:4 netns:4 family:2 source_port:2 destination_port:2 pad:6 source:16 destination:16",
    8: "run:8 deferred:8 from:8 vector:4 waiting:4 looked_at:2 alike:2 ifindex:4 device:16",
    9: "start:8 woken:8 spent:8 tid:4 pid:4 syscall:4 why:1 flags:1 pad:2",
    10: "waited:8 netns:4 ifindex:4 count:4 backlog:4 family:2 source_port:2 destination_port:2 pad:2 source:16 destination:16 device:16",
    11: "start:8 tid:4 depth:4 frames:96",
}
COLUMNS = {
    1: "established leaf_cgroup netns pid family local_port remote_port role flags local=b remote=b comm=b write_seq rcv_nxt",
    2: "role=s flags=s start@ts rx_first@start/ts rx_last@rx_first woken@rx_first read_first@woken/ts read_last@read_first/ts tx_last@ts/start "
       "tx_first@tx_last/start rx_bytes=s tx_bytes=s sndbuf_wait=s rwnd_wait=s tid=s srtt_us=s sequence=s retransmits=s acked@ts/rx_first tx_tid=s "
       "nagle_us rx_late_us rx_cpu=s unseen send_wait=s tcp_receive",
    4: "rto_ms=s rtx_kind ca_state backoff=s state srtt_us=s pad",
    5: "duration sndbuf_wait rwnd_wait turns retransmits syn_retries state_kind pad=b",
    6: "reset_kind pad",
    7: "location reason count netns family source_port destination_port pad=b source=b destination=b",
    8: "run deferred vector from waiting looked_at alike ifindex device=b",
    9: "start woken tid pid syscall why flags pad=b spent",
    10: "waited netns ifindex count backlog family source_port destination_port pad=b source=b destination=b device=b",
    11: "start tid depth frames=b",
}
STRUCTS[3], COLUMNS[3] = STRUCTS[2], COLUMNS[2]
#: Fields at the end of structs and columns that codecs 1 and 2 do not have, nor the records of that time.
LATER = {2: 2, 3: 2, 4: 2}


def signed(value: int) -> int:
    value &= M64
    return value - (1 << 64) if value >> 63 else value


def lz4(data: bytes) -> bytes:
    out, at = bytearray(), 0
    while True:
        token, at = data[at], at + 1
        lengths = []
        for nibble in (token >> 4, token & 15):
            if nibble == 15 and not (len(lengths) == 1 and at >= len(data)):
                while True:
                    nibble, at, more = nibble + data[at], at + 1, data[at]
                    if more != 255:
                        break
            lengths.append(nibble)
            if len(lengths) == 1:
                out += data[at:at + nibble]
                at += nibble
                if at >= len(data):
                    return bytes(out)
                offset, at = data[at] | data[at + 1] << 8, at + 2
        for _ in range(lengths[1] + 4):
            out.append(out[-offset])


class Reader:
    def __init__(self, data: bytes):
        self.data, self.at, self.bit = data, 0, 0

    def bits(self, count: int) -> int:
        value = 0
        for index in range(count):
            value |= (self.data[self.at] >> self.bit & 1) << index
            self.bit += 1
            if self.bit == 8:
                self.at, self.bit = self.at + 1, 0
        return value

    def code(self, parameter: int) -> int:
        ones = 0
        while ones < 20 and self.bits(1):
            ones += 1
        if ones == 20:
            return self.bits(self.bits(6) + 1)
        return ones << parameter | self.bits(parameter)

    def align(self) -> None:
        if self.bit:
            self.at, self.bit = self.at + 1, 0

    def take(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count:self.at]


class Rice:
    def __init__(self) -> None:
        self.spread, self.drift = 1024, 0

    @property
    def bias(self) -> int:
        return (self.drift + 16) >> 5

    @property
    def parameter(self) -> int:
        return max(0, (self.spread >> 4).bit_length() - 1)

    def update(self, code: int, error: int) -> None:
        mean = self.spread >> 4
        limit = 4 * mean + 8
        self.drift += min(max(error, -limit), limit)
        self.spread += min(code, min(8 * mean + 64, 1 << 40)) - mean


def zigzag(value: int) -> int:
    value = signed(value)
    return (value << 1 ^ value >> 63) & M64


def unzigzag(code: int) -> int:
    return signed(code >> 1 ^ -(code & 1))


def earlier(rows: list[dict]) -> list[int]:
    size = 64
    while size < 2 * len(rows):
        size *= 2
    slots: list[tuple[int, int] | None] = [None] * size
    found = []
    for row, record in enumerate(rows):
        previous, slot = row - 1, (record["socket"] * 0x9e3779 & 0xffffffff) % size
        for _ in range(8):
            there = slots[slot]
            if there is None or there[0] == record["socket"]:
                previous = there[1] if there else previous
                slots[slot] = (record["socket"], row)
                break
            slot = (slot + 1) % size
        found.append(previous)
    return found


def columns(kind: int, data: bytes, count: int, codec: int) -> list[dict]:
    widths = {name: int(width) for name, width in (field.split(":") for field in f"{HEADER} {STRUCTS[kind]}".split())}
    rows: list[dict] = [{} for _ in range(count)]
    reader, previous, sided = Reader(data), [], codec > 1 and kind != 4
    order = f"ts cgroup socket kind cpu=s {COLUMNS[kind]}".split()
    later = [order.pop() for _ in range(LATER.get(kind, 0) if codec < 3 else 0)]
    if sided:
        order = ["role"] + [column for column in order if column != "role=s"]
    for column in order:
        name = column.split("=")[0].split("@")[0]
        mask = (1 << 8 * widths[name]) - 1
        if column.endswith("=b"):
            for row in rows:
                row[name] = reader.take(widths[name]).hex()
            continue
        references = column.split("@")[1].split("/") if "@" in column else []

        def reference(row: dict) -> int:
            stamp = row[references[-1 if row["role"] == 2 else 0]]
            return stamp if stamp or name == "start" else row["start"]

        form = reader.take(1)[0]
        if form == 1:
            value = int.from_bytes(reader.take(widths[name]), "little")
            for row in rows:
                row[name] = value
        elif form == 2:
            for row in rows:
                row[name] = reference(row)
        else:
            assert form == 0, f"form {form} of {name}"
            how = reader.take(1)[0] if sided else 0
            shift, own = how & 63, (how >> 6 & 1, how >> 7)
            assert name != "role" or not any(own), "the role has no side"
            rices, last = (Rice(), Rice()), [0, 0]
            for index, row in enumerate(rows):
                called = int(sided and name != "role" and row["role"] == 2)
                rice = rices[called]
                code = reader.code(rice.parameter)
                if references and not own[called]:
                    expected = (reference(row) >> shift) + rice.bias
                    absent = zigzag(-expected)
                    error = unzigzag(absent if code == 0 else code - 1 if code <= absent else code)
                    row[name] = (expected + error << shift) & M64
                    rice.update(code, error if row[name] else 0)
                else:
                    before = previous[index] if column.endswith("=s") else index - 1
                    expected = last[called] if own[called] else rows[before][name] if before >= 0 else 0
                    error = unzigzag(code)
                    row[name] = ((expected >> shift) + rice.bias + error << shift) & mask
                    rice.update(code, error)
                last[called] = row[name]
            reader.align()
        if name == "socket":
            previous = earlier(rows)
    assert reader.at == len(data), "bytes after the last column"
    for row in rows:
        row |= {column.split("=")[0]: 0 for column in later}
    return rows


def raw(kind: int, data: bytes, count: int) -> list[dict]:
    rows, at, fields = [], 0, f"{HEADER} {STRUCTS[kind]}".split()
    later = fields[len(fields) - LATER.get(kind, 0):]
    if len(data) == count * sum(int(field.split(":")[1]) for field in fields):
        later = []
    for _ in range(count):
        row: dict = {field.split(":")[0]: 0 for field in later}
        for field in fields[:len(fields) - len(later)]:
            name, width = field.split(":")
            part = data[at:at + int(width)]
            row[name] = int.from_bytes(part, "little") if int(width) in (1, 2, 4, 8) else part.hex()
            at += int(width)
        rows.append(row)
    assert at == len(data)
    return rows


with sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True) as db:
    for kind, count, codec, length, checksum, data in db.execute("SELECT kind, count, codec, raw_length, checksum, data FROM block ORDER BY id"):
        assert zlib.crc32(data) == checksum, "checksum"
        if codec:
            data = lz4(data)
        assert len(data) == length, "raw length"
        for row in columns(kind, data, count, codec) if codec else raw(kind, data, count):
            assert row["kind"] == kind
            print(json.dumps(row))
