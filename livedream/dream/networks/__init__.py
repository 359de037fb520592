"""Networks: which there are, their weights, their layers."""
