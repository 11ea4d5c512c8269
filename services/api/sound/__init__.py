"""Sound at OpenAI's door: forms, subtitles, speech as files."""
