"""What this machine can do: its limits, the frame rate, and settings that keep a wanted one."""
