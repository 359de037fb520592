"""Jobs: what the command line and Python call, each from start to end."""
