"""Limits of the computations of measures, which the reasons for undefined values name too."""

#: The Ritz value is taken once its residual is at most this fraction of it.
LANCZOS_TOLERANCE = 1e-3
#: Products of Lanczos' iteration at most, for a network alone.
LANCZOS_BUDGET = 100
#: Relative error of the norm of a convolution: its square has a residual of twice as much, see `largest_eigenvalue`.
NORM_TOLERANCE = 5e-5
#: Upper bound on the products for it; random kernels took 40 to 112, most on large inputs.
NORM_BUDGET = 1000
#: Up to so many classes have their Jacobian computed row by row.
EXACT_CLASSES = 128
