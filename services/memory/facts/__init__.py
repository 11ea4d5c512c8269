"""What is worth keeping about a person: found in what they say, kept, found again."""
