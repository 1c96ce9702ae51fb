-- Version 2: the file ends with a seal, 12 bytes after SQLite's last page (SQLite does not look at them): the letters FLTRSEAL
-- and the CRC-32 (as of blocks) of all bytes before them, little-endian. Whoever changes a capture breaks it.
--
-- And there is what the analysis found when the capture was made, so that a reader need not look at every event again. Of a
-- capture without these tables (version 1) a reader has to.

-- Turns of each socket over the capture, added up; sockets without any are left out.
CREATE TABLE socket_turns (
    socket         INTEGER PRIMARY KEY,
    turns          INTEGER NOT NULL,
    maximum_ns     INTEGER NOT NULL, -- total of the longest
    buffer_wait_ns INTEGER NOT NULL  -- waited for own send buffer, or the peer's window
) STRICT;

-- Findings of parts that differ from capture to capture, each a JSON object. part is one of
--   chain       who waited for whom, from the verdict's turn to its cause
--   call        a call the verdict's turn made, with a verdict of its own, in order of start
--   thread      what the turn's thread did in one of its stages
--   holding     an interface that may have held back packets it waited for
--   quiet       the time before the turn, from_ns to to_ns, that the differences are taken against: one row, or none
--   difference  what was not, while the turn lasted, as it had been before; most first
--   also_slow   another container that was slow at the same time
CREATE TABLE finding (
    part     TEXT    NOT NULL,
    position INTEGER NOT NULL, -- from 1 in each part
    json     TEXT    NOT NULL,
    PRIMARY KEY (part, position)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 2;
