"""All runs of a folder: listed, compared, chosen among, removed. Nothing here needs NumPy."""
