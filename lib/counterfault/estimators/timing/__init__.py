"""How soon incidents begin, are seen and are mended."""
