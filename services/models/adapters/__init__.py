"""What tries a model out, each in a process of its own."""
