#!/usr/bin/env python3
"""Checks a Perfetto trace with Perfetto's own protobuf definitions, and the capture it was made of.

Usage: trace-check.py TRACE CAPTURE. Needs `pip install perfetto`. Prints what it counted as JSON; says what is wrong and
exits 1 otherwise: unknown fields, events on tracks that nobody described, slices without an end or not within the one
that holds them, times that go back on a track or lie outside the capture, names never interned, flows with one end.
"""
import collections
import json
import sqlite3
import sys

from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as proto

trace_path, capture_path = sys.argv[1:]
trace = proto.Trace()
with open(trace_path, "rb") as file:
    trace.ParseFromString(file.read())
with sqlite3.connect(f"file:{capture_path}?mode=ro", uri=True) as capture:
    first, last, clock, wall = capture.execute(
        "SELECT from_ns, to_ns, clock_monotonic_ns, clock_wall_ns FROM incident").fetchone()
    # A turn or slice that ended within the capture may have begun before it; what was known of it is in it.
    earliest = capture.execute("SELECT min(began_ns) FROM block").fetchone()[0]
    earliest = min(first, earliest if earliest is not None else first)
    triggers = [row[0] for row in capture.execute("SELECT at_ns FROM trigger")]
    gaps = [at for row in capture.execute("SELECT from_ns, to_ns FROM gap") for at in row]
lowest, highest = min([earliest] + gaps + triggers), max([last] + gaps + triggers)

problems = []


def wrong(text):
    problems.append(text)
    if len(problems) > 20:
        sys.exit("\n".join(problems))


def unknown(message, path="packet"):
    """Fields that Perfetto's definitions do not have: the UI would pass them over."""
    from google.protobuf import unknown_fields
    found = unknown_fields.UnknownFieldSet(message)
    if len(found):
        wrong(f"{path} has unknown field {found[0].field_number}")
    for field, value in message.ListFields():
        if field.message_type:
            for item in value if field.is_repeated else [value]:
                unknown(item, f"{path}.{field.name}")


names, annotation_names = {}, {}
tracks, counters = {}, set()
open_slices = collections.defaultdict(list)
latest = {}
flows = collections.defaultdict(lambda: [0, 0])
counts = collections.Counter()
kinds = proto.TrackEvent
cleared = False
snapshots = 0
for index, packet in enumerate(trace.packet):
    if index < 5000:
        unknown(packet)
    if packet.sequence_flags & 1:
        cleared = True
        if packet.trace_packet_defaults.timestamp_clock_id != 3:
            wrong("times are not said to be CLOCK_MONOTONIC")
    if packet.HasField("clock_snapshot"):
        snapshots += 1
        clocks = {one.clock_id: one.timestamp for one in packet.clock_snapshot.clocks}
        if clocks != {1: wall, 3: clock}:
            wrong(f"clocks are {clocks}, the capture's {wall} and {clock}")
        if packet.clock_snapshot.primary_trace_clock != 3:
            wrong("the trace's clock is not CLOCK_MONOTONIC")
    for entry in packet.interned_data.event_names:
        names[entry.iid] = entry.name
    for entry in packet.interned_data.debug_annotation_names:
        annotation_names[entry.iid] = entry.name
    if packet.HasField("track_descriptor"):
        descriptor = packet.track_descriptor
        if descriptor.uuid in tracks or descriptor.uuid == 0:
            wrong(f"track {descriptor.uuid} described twice")
        if descriptor.HasField("parent_uuid") and descriptor.parent_uuid not in tracks:
            wrong(f"track {descriptor.uuid} has an unknown parent")
        if not descriptor.name:
            wrong(f"track {descriptor.uuid} has no name")
        tracks[descriptor.uuid] = descriptor
        if descriptor.HasField("counter"):
            counters.add(descriptor.uuid)
    if not packet.HasField("track_event"):
        continue
    event = packet.track_event
    at, track = packet.timestamp, event.track_uuid
    if not cleared or not packet.sequence_flags & 2 or packet.trusted_packet_sequence_id != 1:
        wrong(f"packet {index} is not of the sequence whose names it uses")
    if track not in tracks:
        wrong(f"packet {index} is on track {track}, which nobody described")
        continue
    if (event.type == kinds.TYPE_COUNTER) != (track in counters):
        wrong(f"packet {index}: a counter and a slice on one track, {tracks[track].name}")
    if not lowest <= at <= highest:
        wrong(f"packet {index} on {tracks[track].name} is at {at}, outside {lowest} to {highest}")
    if at < latest.get((track, event.type == kinds.TYPE_INSTANT), 0):
        wrong(f"packet {index} on {tracks[track].name} goes back in time")
    latest[track, event.type == kinds.TYPE_INSTANT] = at
    if event.type in (kinds.TYPE_SLICE_BEGIN, kinds.TYPE_INSTANT) and event.name_iid not in names:
        wrong(f"packet {index} has no name")
    for annotation in event.debug_annotations:
        if annotation.name_iid not in annotation_names:
            wrong(f"packet {index} has an annotation without a name")
    if event.type == kinds.TYPE_SLICE_BEGIN:
        open_slices[track].append(at)
        counts["slices"] += 1
        if len(open_slices[track]) > 1:
            counts["nested"] += 1
        for flow in event.flow_ids:
            flows[flow][0] += 1
        for flow in event.terminating_flow_ids:
            flows[flow][1] += 1
    elif event.type == kinds.TYPE_SLICE_END:
        if not open_slices[track]:
            wrong(f"packet {index} on {tracks[track].name} ends what never began")
        elif at < open_slices[track].pop():
            wrong(f"packet {index} on {tracks[track].name} ends before it began")
    elif event.type == kinds.TYPE_INSTANT:
        counts["instants"] += 1
        counts["instant " + names.get(event.name_iid, "?")] += 1
    elif event.type == kinds.TYPE_COUNTER:
        counts["counts"] += 1
        if event.WhichOneof("counter_value_field") is None:
            wrong(f"packet {index} counts nothing")
    else:
        wrong(f"packet {index} is of no known type")
for track, left in open_slices.items():
    if left:
        wrong(f"{len(left)} slices on {tracks[track].name} never end")
for flow, (out, into) in flows.items():
    if (out, into) != (1, 1):
        wrong(f"flow {flow} leaves {out} slices and ends at {into}")
if snapshots != 1:
    wrong(f"{snapshots} clock snapshots")
if problems:
    sys.exit("\n".join(problems))
counts["tracks"] = len(tracks)
counts["flows"] = len(flows)
print(json.dumps({"counts": counts, "tracks": [tracks[uuid].name for uuid in tracks]}, ensure_ascii=False))
