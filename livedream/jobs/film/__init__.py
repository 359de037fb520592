"""A film on many workers: cut where its dream starts afresh anyway, dreamed in pieces, joined."""
