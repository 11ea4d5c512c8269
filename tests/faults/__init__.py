"""Kills, freezes and crashes everything that can be; `make faults` does so many times and prints a table."""
