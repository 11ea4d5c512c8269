"""OpenAI's API as clients expect it: its requests, its answers whole and in pieces, its errors."""
