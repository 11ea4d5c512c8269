"""Documents and facts: taken in, kept, found again."""
