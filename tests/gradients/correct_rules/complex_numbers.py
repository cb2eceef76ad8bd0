"""Complex numbers, by JAX's convention: cotangents are transposed, not conjugated."""

import jax
import jax.numpy as jnp
import numpy as np

from .example import Example, array, normal, reverse_rule

exponential = reverse_rule(jnp.exp, lambda z: (jnp.exp(z),) * 2, lambda e, g: (g * e,))


def _modulus_bwd(z, g):
    size = jnp.abs(z)
    return (jnp.where(size > 0, g * jnp.conj(z) / jnp.where(size > 0, size, 1), 0),)


modulus = reverse_rule(jnp.abs, lambda z: (jnp.abs(z), z), _modulus_bwd)


@jax.custom_jvp
def power(z):
    return (z * jnp.conj(z)).real


@power.defjvp
def _power_jvp(primals, tangents):
    (z,), (t,) = primals, tangents
    return power(z), 2 * (jnp.conj(z) * t).real


conjugate_product = reverse_rule(
    lambda a, b: jnp.conj(a) * b,
    lambda a, b: (jnp.conj(a) * b, (a, b)),
    lambda saved, g: (jnp.conj(g * saved[1]), g * jnp.conj(saved[0])),
)
matmul = reverse_rule(
    jnp.matmul,
    lambda a, b: (a @ b, (a, b)),
    lambda saved, g: (g @ saved[1].T, saved[0].T @ g),
)
fourier = reverse_rule(
    lambda z: jnp.fft.fft(z),
    lambda z: (jnp.fft.fft(z), None),
    lambda _, g: (jnp.fft.fft(g),),  # the matrix is symmetric
)
rotation = reverse_rule(
    lambda angle: jnp.exp(1j * angle),
    lambda angle: (jnp.exp(1j * angle), angle),
    lambda angle, g: ((g * 1j * jnp.exp(1j * angle)).real,),
)


def spectral_loss(x, target):
    return ((modulus(fourier(x * rotation(x.real))) - target) ** 2).sum()


def modulus_relu(z, bias):
    size = modulus(z)
    return jnp.maximum(size + bias, 0) * z / jnp.where(size > 0, size, 1)


def gaussian(seed, *shape):
    real, imaginary = np.asarray(normal(seed, 2, *shape))
    return jnp.asarray(real + 1j * imaginary)


Z, W = (gaussian(seed, 3) for seed in (140, 142))
MATRIX = gaussian(144, 2, 3)

EXAMPLES = (
    Example("exponential", exponential, (Z,), "holomorphic: no conjugate anywhere"),
    Example(
        "modulus with slope 0 at 0",
        modulus,
        (array(0, 1 + 1j, -2, 3j, dtype=jnp.complex64),),
        "a real output of a complex input, and a cone's tip",
    ),
    Example(
        "squared modulus", power, (Z,), "a forward rule that is linear only over R"
    ),
    Example(
        "conjugate product",
        conjugate_product,
        (Z, W),
        "linear in one argument, antilinear in the other",
    ),
    Example(
        "complex matmul",
        matmul,
        (MATRIX, gaussian(147, 3, 2)),
        "transposed, not adjoint",
    ),
    Example(
        "Fourier transform",
        fourier,
        (Z,),
        "its transpose is itself, its inverse is not",
    ),
    Example(
        "rotation by an angle", rotation, (normal(146, 4),), "real in, complex out"
    ),
    Example(
        "spectral loss",
        spectral_loss,
        (Z, array(0.5, 1.0, 2.0)),
        "three complex rules and a real one in one program",
    ),
    Example(
        "modulus relu",
        modulus_relu,
        (Z, array(0.1, -0.5, -9.0)),
        "a complex activation with a real bias, one entry cut off",
    ),
)
