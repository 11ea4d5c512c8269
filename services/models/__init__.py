"""The model files on this machine."""
