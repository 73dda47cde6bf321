"""Joint distributions with known mutual information, one file per family."""
