"""Whose memory and chats."""

from __future__ import annotations

OWNER = "owner"
"""The profile of the person whose machine this is; others come with their users."""
