"""What is understood by its words alone, before the language model is asked."""
