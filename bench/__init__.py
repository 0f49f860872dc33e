"""Side-by-side measurements; `make bench` prints the table that docs/performance.md quotes."""
