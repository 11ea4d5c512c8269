"""Timers and alarms: kept, counted, told."""
