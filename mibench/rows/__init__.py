"""What is stored: rows, the store that keeps them, files of rows, and which of them are asked for."""
