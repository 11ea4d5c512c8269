"""What a session answers: text, calls of tools, and sound."""
