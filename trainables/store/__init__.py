"""Files of a results folder: paths, tables, manifests.

`paths` names all files; `folder` reads and writes them.
"""
