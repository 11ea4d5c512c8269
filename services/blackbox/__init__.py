"""The last turns, kept whole to be played again, and a watch over what must be true of every turn."""
