"""The sound device of this machine: a source whose microphone and loudspeaker may come and go."""
