-- Version 5: what the hypervisor took of a CPU.
ALTER TABLE softirq_tick ADD COLUMN stolen_ns INTEGER NOT NULL DEFAULT 0; -- it ran others on it (steal in proc_stat(5))

PRAGMA user_version = 5;
