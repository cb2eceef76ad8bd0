"""Who is compared: names, and where the code of each is."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Framework:
    """One competitor.

    Attributes:
      name: as on the command line.
      title: as in the table.
      package: the distribution that it needs.
      place: ``module:function``, imported only in the competitor's own process;
        the function makes a `Trainer` of a `Workload`.
      on_jax: that it is another JAX library, funcnn apart.
    """

    name: str
    title: str
    package: str
    place: str
    on_jax: bool = False


def _here(module: str) -> str:
    return f"benchmarks.steps.{module}"


OURS = "funcnn"
TORCH = "torch"
FRAMEWORKS = {
    framework.name: framework
    for framework in (
        Framework(OURS, "funcnn", "funcnn", _here("_funcnn:build")),
        Framework(TORCH, "PyTorch", "torch", _here("_torch:build")),
        Framework(
            "torch-compile", "torch.compile", "torch", _here("_torch:build_compiled")
        ),
        Framework("flax-nnx", "Flax NNX", "flax", _here("_flax_nnx:build"), True),
        Framework("haiku", "Haiku", "dm-haiku", _here("_haiku:build"), True),
        Framework("keras-jax", "Keras (JAX)", "keras", _here("_keras_jax:build"), True),
        Framework("equinox", "Equinox", "equinox", _here("_equinox:build"), True),
        Framework("plain-jax", "plain JAX", "jax", _here("_plain_jax:build"), True),
    )
}

# They take turns with the others, and say what the machine can do meanwhile.
PRODUCT = Framework("product", "matrix product", "jax", _here("_ceilings:product"))
MEMORY = Framework("memory", "memory", "jax", _here("_ceilings:memory"))
