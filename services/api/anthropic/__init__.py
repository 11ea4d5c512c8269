"""Anthropic's messages as clients expect them: requests, answers whole and in pieces, errors."""
