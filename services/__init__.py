"""The parts of Solo: each folder is one service (see services/README.md)."""
