"""Figures over time: recorded beside everything else, kept by day, rolled up by hour."""
