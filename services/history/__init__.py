"""What was done, and how it went."""
