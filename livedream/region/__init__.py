"""Regions: which places of a picture a dream, or a part of it, is for."""
