"""Who may use Solo, and as whom."""
