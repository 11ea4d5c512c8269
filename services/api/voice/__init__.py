"""The WebSocket that is spoken to: what is said on it, and its two kinds of sessions."""
