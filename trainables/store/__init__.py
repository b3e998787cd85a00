"""Files of a results folder: paths, tables, manifests."""
