"""What `mnemo up` runs: its plan, and the programs with their settings."""
