"""What can this machine do: its limits, the pipeline's pace, settings that keep a wanted one."""
