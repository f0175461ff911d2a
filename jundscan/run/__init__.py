"""What every command shares: opened inputs and the JSON record of a run."""
