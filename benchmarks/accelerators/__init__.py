"""Every rule beside automatic differentiation, compiled for a TPU and a GPU."""
