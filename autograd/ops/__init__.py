"""One Function per operation, one file per family; samples stand beside each."""
