"""One folder a language: its sentences, how it reads numbers, times and sums, and how it says them."""
