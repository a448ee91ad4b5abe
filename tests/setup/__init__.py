"""`setup`: from answers to files, and from those files to a pull."""
