"""Running trials in supervised child processes."""
