"""K networks held as one set of tensors with a leading axis K: batched layers, parameter layout, kernels.

`stack` is the place to start reading: `Stack.train` makes the training steps.
"""
