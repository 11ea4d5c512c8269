"""Conversations that outlive the daemon."""
