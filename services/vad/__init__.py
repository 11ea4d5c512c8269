"""Voice activity: which sound is speech."""
