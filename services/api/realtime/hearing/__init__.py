"""What a session hears: its buffer, whose turn it is, what was said."""
