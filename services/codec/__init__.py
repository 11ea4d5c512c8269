"""Sound files: reading foreign ones, making our own."""
