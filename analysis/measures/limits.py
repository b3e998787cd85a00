"""Limits of the computations of measures, which the reasons for undefined values name too."""

#: The Ritz value is taken once its residual is at most this fraction of it.
LANCZOS_TOLERANCE = 1e-3
#: Upper bound on the products of Lanczos iteration, for a network alone.
LANCZOS_BUDGET = 100
#: Relative error of the norm of a convolution: its square has a residual of twice as much, see `largest_eigenvalue`.
NORM_TOLERANCE = 5e-7
#: The same on inputs of more numbers than `SMALL_INPUTS`, 16 channels of 32 x 32, where each product takes long.
LARGE_NORM_TOLERANCE = 5e-5
SMALL_INPUTS = 2**14
#: Upper bound on the products for the norm of a convolution; random kernels took 40 to 130.
NORM_BUDGET = 1000
#: Up to this many classes, a Jacobian is computed row by row.
EXACT_CLASSES = 128
