"""Wrong forward rules: custom_jvp and custom_gradient."""

import jax
import jax.numpy as jnp
import numpy as np

from .example import Example, normals

normal = normals(15)


def forward_rule(primal, tangent):
    """`primal` as a custom_jvp function of one array; ``tangent(x, t)``."""
    rule = jax.custom_jvp(primal)
    rule.defjvp(lambda x, t: (primal(*x), tangent(*x, *t)))
    return rule


sine = forward_rule(lambda x: jnp.sin(x), lambda x, t: 1.001 * jnp.cos(x) * t)
tanh_sign = forward_rule(lambda x: jnp.tanh(x), lambda x, t: -t / jnp.cosh(x) ** 2)
quadratic_in_tangent = forward_rule(lambda x: x**2, lambda x, t: 2 * x * t * jnp.abs(t))
absolute_tangent = forward_rule(
    lambda x: jnp.exp(x), lambda x, t: jnp.exp(x) * jnp.abs(t)
)
tangent_ignored = forward_rule(lambda x: jnp.sin(x), lambda x, t: jnp.cos(x))
clipped_tangent = forward_rule(
    lambda x: x**3, lambda x, t: 3 * x**2 * jnp.clip(t, -10, 10)
)
averaged_tangent = forward_rule(lambda x: x**2, lambda x, t: 2 * x * t.mean())
detached = forward_rule(
    lambda x: x**3, lambda x, t: jax.lax.stop_gradient(3 * x**2) * t
)
safe_root = forward_rule(
    lambda x: jnp.sqrt(x), lambda x, t: t / (2 * jnp.sqrt(x) + 1e-3)
)
other_dtype = forward_rule(
    lambda x: jnp.sin(x),
    lambda x, t: (jnp.cos(x) * t).astype(jnp.float16).astype(t.dtype),
)


@jax.custom_jvp
def product(x, y):
    return x * y


product.defjvp(lambda x, t: (x[0] * x[1], t[0] * x[1]))


@jax.custom_jvp
def ratio(x, y):
    return x / y


ratio.defjvps(
    lambda t, out, x, y: t / y,
    lambda t, out, x, y: -t * out / x,
)


@jax.custom_jvp
def shifted(x, steps):
    return x * steps


@shifted.defjvp
def _shifted_tangent(primals, tangents):
    x, steps = primals
    dx, dsteps = tangents
    # the tangent of an integer is float0: no arithmetic
    return x * steps, dx * steps + x * dsteps


@jax.custom_jvp
def other_value(x):
    return jnp.log1p(x)


other_value.defjvp(lambda x, t: (jnp.log(x[0]) + 1, t[0] / (1 + x[0])))


@jax.custom_gradient
def cube(x):
    return x**3, lambda g: (3 * g * x,)


@jax.custom_gradient
def scaled_difference(x, y):
    return (x - y) ** 2, lambda g: (2 * g * (x - y), 2 * g * (x - y))


@jax.custom_jvp
def softplus(x):
    return jnp.logaddexp(x, 0)


softplus.defjvp(
    lambda x, t: (softplus(*x), t[0] * jnp.where(x[0] > 20, 0, jax.nn.sigmoid(x[0])))
)


@jax.custom_jvp
def total_loss(parameters, x):
    return ((x @ parameters["w"] + parameters["b"]) ** 2).sum()


@total_loss.defjvp
def _total_tangent(primals, tangents):
    parameters, x = primals
    dp, dx = tangents
    y = x @ parameters["w"] + parameters["b"]
    dy = x @ dp["w"] + dx @ parameters["w"]
    return (y**2).sum(), 2 * (y * dy).sum()


x = normal(5)

EXAMPLES = (
    Example("jvp_off_by_a_thousandth", sine, (x,), "The tangent is 0.1 % too large."),
    Example("jvp_with_wrong_sign", tanh_sign, (x,), "The tangent has the wrong sign."),
    Example(
        "jvp_quadratic_in_the_tangent",
        quadratic_in_tangent,
        (x,),
        "t |t| is not linear: right for tangents of one, no transpose.",
    ),
    Example(
        "jvp_of_absolute_tangent",
        absolute_tangent,
        (x,),
        "The tangent's sign is lost: not linear.",
    ),
    Example(
        "jvp_without_tangent",
        tangent_ignored,
        (x,),
        "The slope is returned, the tangent not used: grad gives zero or raises.",
    ),
    Example(
        "jvp_of_clipped_tangent",
        clipped_tangent,
        (x,),
        "The tangent is clipped: not linear.",
    ),
    Example(
        "jvp_of_averaged_tangent",
        averaged_tangent,
        (x,),
        "The tangent is averaged over all entries.",
    ),
    Example(
        "jvp_detached",
        detached,
        (x,),
        "The slope is detached: the second derivative is zero.",
    ),
    Example(
        "jvp_with_eps_in_the_slope",
        safe_root,
        (np.abs(x) + 0.1,),
        "An eps in the slope alone makes it too small.",
    ),
    Example(
        "jvp_through_float16",
        other_dtype,
        (x,),
        "The tangent goes through float16.",
    ),
    Example(
        "jvp_of_first_factor_only",
        product,
        (x, normal(5)),
        "The second factor's tangent is dropped.",
    ),
    Example(
        "jvp_of_ratio_by_wrong_argument",
        ratio,
        (x, np.abs(normal(5)) + 1),
        "The tangent of the denominator divides by the numerator.",
    ),
    Example(
        "jvp_with_arithmetic_on_integer_tangents",
        shifted,
        (x, np.array([1, 2, 3, 4, 5], np.int32)),
        "The integer's tangent is float0 and is multiplied: it raises.",
    ),
    Example(
        "jvp_with_another_value",
        other_value,
        (np.abs(x) + 0.5,),
        "Under differentiation log(x) + 1 is the value, else log(1 + x).",
    ),
    Example(
        "jvp_zero_when_saturated",
        softplus,
        (x,),
        "Above 20 the slope is 0 where it is 1; the inputs here are small.",
    ),
    Example(
        "jvp_without_a_leaf",
        total_loss,
        ({"w": normal(3), "b": normal()}, normal(4, 3)),
        "The bias's tangent, one leaf of a pytree, is forgotten.",
    ),
    Example(
        "custom_gradient_of_wrong_power",
        cube,
        (x,),
        "The derivative of the cube is 3 x.",
    ),
    Example(
        "custom_gradient_with_equal_signs",
        scaled_difference,
        (x, normal(5)),
        "Both sides of a difference get the same sign.",
    ),
)
