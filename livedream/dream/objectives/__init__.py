"""Objectives: what gradient ascent raises."""
