"""The machine: runs, supervises, isolates and connects parts without knowing one of them."""

__version__ = "0.1.0"
