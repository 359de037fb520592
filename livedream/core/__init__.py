"""What every package shares, and what imports nothing of livedream."""
