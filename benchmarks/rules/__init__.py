"""Every rule beside automatic differentiation of its reference."""
