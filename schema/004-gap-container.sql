-- Version 4: whose events are missing.
ALTER TABLE gap ADD COLUMN container INTEGER; -- NULL: of any

PRAGMA user_version = 4;
