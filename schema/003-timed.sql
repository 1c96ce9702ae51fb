-- Version 3: what hooks of kernel functions time besides, where there are any. Blocks of turns have both too (codec 3, BLOCKS.md).
ALTER TABLE turn_slow ADD COLUMN send_blocked_ns INTEGER NOT NULL DEFAULT 0; -- a sender was blocked (sk_stream_wait_memory)
ALTER TABLE turn_slow ADD COLUMN tcp_receive_ns INTEGER NOT NULL DEFAULT 0; -- TCP took in what was read first (tcp_v?_do_rcv)

PRAGMA user_version = 3;
