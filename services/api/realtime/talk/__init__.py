"""The conversation of a session: its items, and how clients write them."""
