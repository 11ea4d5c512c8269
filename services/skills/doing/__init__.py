"""What each skill does."""
