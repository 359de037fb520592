"""What every room shares, and what imports nothing of livedream."""
