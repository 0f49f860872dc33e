"""`make dist`: everything that is released, the same bytes from the same sources."""
