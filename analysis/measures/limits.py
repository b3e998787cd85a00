"""Limits of the computations of measures, which the reasons for undefined values name too."""

#: The Ritz value is taken once its residual is at most this fraction of it.
LANCZOS_TOLERANCE = 1e-3
#: Upper bound on the products of Lanczos iteration, for a network alone.
LANCZOS_BUDGET = 100
#: Upper bound on the relative error of the norm of a convolution; the error itself is mostly far smaller.
NORM_TOLERANCE = 5e-7
#: The same on inputs of more numbers than `SMALL_INPUTS`, 16 channels of 8 x 8, where each product takes long.
LARGE_NORM_TOLERANCE = 5e-4
SMALL_INPUTS = 2**10
#: Upper bound on the products of each start vector for the norm of a convolution; random kernels took 50 to 220.
NORM_BUDGET = 1000
#: Up to this many classes, a Jacobian is computed row by row.
EXACT_CLASSES = 128
