"""The settings in effect, and those that can be changed at once."""
