"""File formats that several parts read: pure Python, checked at every step, since files come from anywhere."""
