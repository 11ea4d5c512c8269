"""Measurements: `python -m tests.bench [bus|isolation|startup|idle|voice ...]`; figures and ratios, never verdicts."""
