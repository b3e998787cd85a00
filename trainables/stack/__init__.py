"""K networks held as one set of tensors: batched layers, parameter layout, kernels."""
