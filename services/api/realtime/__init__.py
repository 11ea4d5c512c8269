"""OpenAI's Realtime API over a WebSocket: a session with its own settings, items, ear and answers."""
