"""The audit log: rows that are only added, each sealing those before it."""
