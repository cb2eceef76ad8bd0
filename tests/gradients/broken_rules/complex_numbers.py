"""Complex rules; in JAX a product's cotangent is not conjugated."""

import jax
import jax.numpy as jnp
import numpy as np

from .example import Example, elementwise, normals, reverse_rule

normal = normals(16)


def complex_normal(*shape):
    return (normal(*shape) + 1j * normal(*shape)).astype(np.complex64)


@jax.custom_vjp
def product(x, y):
    return x * y


product.defvjp(
    lambda x, y: (x * y, (x, y)),
    lambda saved, g: (g * jnp.conj(saved[1]), g * jnp.conj(saved[0])),
)

squared_length = reverse_rule(
    lambda z: (z * jnp.conj(z)).real,
    lambda z: ((z * jnp.conj(z)).real, z),
    # the conjugate of z belongs here
    lambda z, g: (2 * g * z,),
)

fourier = reverse_rule(
    lambda z: jnp.fft.fft(z),
    lambda z: (jnp.fft.fft(z), ()),
    lambda saved, g: (jnp.fft.ifft(g) * g.shape[-1],),
)

exponential = elementwise(lambda z: jnp.exp(z), lambda z: jnp.exp(z).real)


def _modulate(x, z):
    return x * z


modulate = reverse_rule(
    _modulate,
    lambda x, z: (x * z, (x, z)),
    # the real part of g z is right, not the modulus
    lambda saved, g: (jnp.abs(g * saved[1]), g * saved[0]),
)


def _phase(z):
    return jnp.arctan2(z.imag, z.real)


phase = reverse_rule(_phase, lambda z: (_phase(z), z), lambda z, g: (g * 1j / z,))

EXAMPLES = (
    Example(
        "complex_product_conjugated",
        product,
        (complex_normal(4), complex_normal(4)),
        "The factors are conjugated, as other frameworks do and JAX does not.",
    ),
    Example(
        "complex_length_not_conjugated",
        squared_length,
        (complex_normal(4),),
        "z stands where its conjugate belongs, as in jax-ml/jax#979.",
    ),
    Example(
        "complex_fourier_inverted",
        fourier,
        (complex_normal(5),),
        "The transform's transpose is itself, not its inverse.",
    ),
    Example(
        "complex_exponential_real_slope",
        exponential,
        (complex_normal(4),),
        "Only the real part of the slope is used.",
    ),
    Example(
        "complex_cotangent_of_a_real_argument",
        modulate,
        (normal(4), complex_normal(4)),
        "A real argument gets the modulus where the real part belongs.",
    ),
    Example(
        "complex_phase_with_wrong_sign",
        phase,
        (complex_normal(4),),
        "The gradient of the phase has the wrong sign: i / z for -i / z.",
    ),
)
