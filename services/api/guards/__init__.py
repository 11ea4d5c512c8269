"""What the guard at the door looks at, one thing a module."""
