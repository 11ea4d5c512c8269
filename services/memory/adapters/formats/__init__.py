"""Text out of files, one module per format; each gives pages of clean text."""
