"""The vocabulary that the parts share."""
