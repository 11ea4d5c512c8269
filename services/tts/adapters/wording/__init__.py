"""Written text into the words that a voice should say."""
