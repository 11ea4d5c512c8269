"""Tests: unit, contract, integration, acceptance, architecture, faults, bench."""
