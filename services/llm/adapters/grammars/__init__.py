"""Grammars that an answer must follow: read, checked, made from JSON schemas, and followed to their end."""
