"""How the single file starts: the import of code and of compiled parts out of one archive."""
