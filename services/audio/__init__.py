"""Ears and mouth: sound sources, end of speech, playback."""
