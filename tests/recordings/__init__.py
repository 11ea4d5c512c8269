"""Recorded turns that are played again in the suite."""
