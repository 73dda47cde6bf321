"""A user's own data: files, columns and their kinds, estimates, and whether these keep the laws of MI."""
