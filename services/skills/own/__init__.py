"""Skills that somebody has written into files of a folder."""
