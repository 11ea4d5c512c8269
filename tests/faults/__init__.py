"""Kill, freeze and crash what can be killed, frozen and crashed; `make faults` does so many times and prints a table."""
