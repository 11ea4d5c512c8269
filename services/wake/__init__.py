"""Always-on wake-word detection."""
