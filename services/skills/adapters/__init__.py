"""Sentence templates by hassil."""
