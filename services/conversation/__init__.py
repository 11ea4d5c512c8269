"""What happens between hearing and answering."""
