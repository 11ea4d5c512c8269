"""One file per vendor; only spec.py names them."""
