"""The order of the rooms, and other promises about the code itself."""

import ast
import importlib
import inspect
import pathlib
import pickle
import pkgutil
import re
import subprocess
import sys
import types

import pytest

import funcnn as fn
from funcnn.rules import is_rule

PACKAGE = pathlib.Path(fn.__file__).parent
# The plugin of pytest stands beside the package, and knows what its top knows.
FILES = [*sorted(PACKAGE.rglob("*.py")), PACKAGE.parent / "pytest_funcnn.py"]
STUBS = sorted(PACKAGE.rglob("*.pyi"))
MOST_LINES = 400

# Under everything, and of no room; what each of them knows of the package.
FLOOR = {"_version": set(), "errors": set(), "_tables": set(), "_files": set()}
FLOOR |= {
    "_flops": set(),
    "_ulps": set(),
    "_lazy": set(),
    "_memory": set(),
    "_untrusted": set(),
}
FLOOR |= {"_quiet": set()}
FLOOR |= {"_paths": set(), "_jax": set(), "rules": {"errors", "_jax"}}
# What each room knows beside itself. A new room has to be given its place here.
ROOMS = {
    "ops": {"rules", "errors", "_jax"},
    "layers": {"ops", "rules", "errors", "_tables", "_flops", "_jax"},
    "models": {"layers", "ops"},
    "gradients": {"rules", "_tables", "_files", "_ulps", "errors", "_jax"},
    "data": {"errors", "_files"},
    "plots": {"errors", "_tables", "_files", "_ulps"},
    "training": {
        "data",
        "gradients",
        "errors",
        "_tables",
        "_files",
        "_untrusted",
        "_memory",
        "_paths",
        "_jax",
        "_version",
        "parallel",
    },
    "parallel": {"errors", "_tables", "_paths", "_quiet", "_flops", "_jax"},
}
TOP = "funcnn"  # its __init__, which shows everything but the command line
LAZY = {room: {*known, "_lazy"} for room, known in ROOMS.items()}
ALLOWED = FLOOR | LAZY | {TOP: {*FLOOR, *ROOMS}}
ALLOWED["cli"] = {*FLOOR, *ROOMS, TOP}
ALLOWED["__main__"] = {"cli"}
HEAVY = ["matplotlib", "rich", "typer", "pooch", "plotille", "safetensors", "PIL"]


def name_of(path):
    """The dotted name of a file's module, `funcnn` being the package itself."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def file_of(path):
    return path.relative_to(PACKAGE.parent).as_posix()


def room_of(module):
    """`funcnn.ops._convolution._conv` is of the room `ops`."""
    return module.split(".")[1] if "." in module else TOP


def imports(path):
    """The dotted names that a file imports, those inside its functions too."""
    package = name_of(path).split(".")
    if path.stem != "__init__":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = [*base, *(node.module or "").split(".")]
            yield from (".".join([*filter(None, base), a.name]) for a in node.names)


def own_imports(path):
    return [name for name in imports(path) if name.split(".")[0] == "funcnn"]


@pytest.mark.parametrize("path", [*FILES, *STUBS], ids=file_of)
def test_imports_run_one_way(path):
    room = room_of(name_of(path))
    assert room in ALLOWED, "a new room: give it its place in ROOMS"
    assert {room_of(name) for name in own_imports(path)} <= ALLOWED[room] | {room}


def test_nothing_imports_the_command_line():
    users = {room for room, used in ALLOWED.items() if "cli" in used}
    assert users == {"__main__"}


def test_the_reader_of_imports_sees_every_kind():
    # without this the tests above would prove nothing
    path = PACKAGE / "ops" / "_relative.py"
    source = "import a.b, c\nfrom d.e import f\nfrom . import g\nfrom .h import i\n"
    source += "from ..layers import j\ndef k():\n    import l\n"

    class File(type(path)):
        def read_text(self):
            return source

    assert list(imports(File(path))) == [
        "a.b",
        "c",
        "d.e.f",
        "funcnn.ops.g",
        "funcnn.ops.h.i",
        "funcnn.layers.j",
        "l",
    ]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_of_jax_s_inside_is_used(path):
    if path == PACKAGE / "_jax.py":
        return
    assert "jax._src" not in path.read_text()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_has_a_length_that_can_be_read(path):
    assert len(path.read_text().splitlines()) <= MOST_LINES


# What is imported when.


def loaded_by(program):
    """The modules that a program has imported, in an interpreter of its own."""
    program = f"{program}\nimport sys; print(*sys.modules)"
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def files_of_ops_and_layers(modules):
    """Of these modules those that have code: a family's folder has only names."""
    code = {name_of(path) for path in FILES if path.stem != "__init__"}
    rooms = ("funcnn.ops.", "funcnn.layers.")
    return {m for m in modules & code if m.startswith(rooms)}


def test_the_import_is_light():
    loaded = loaded_by("import funcnn")
    assert not loaded & set(HEAVY)
    assert not files_of_ops_and_layers(loaded)


@pytest.mark.parametrize(
    ("program", "file", "other"),
    [
        ("import funcnn as fn; fn.relu", "ops._pointwise._pointwise", "gelu"),
        ("from funcnn import relu", "ops._pointwise._pointwise", "gelu"),
        ("from funcnn.ops import conv", "ops._convolution._conv", "pool"),
        ("import funcnn as fn; fn.Dense(3)", "layers._dense", "conv"),
        ("import pickle; pickle.loads({dense})", "layers._dense", "conv"),
    ],
)
def test_a_program_imports_what_it_uses(program, file, other):
    program = program.format(dense=pickle.dumps(fn.Dense(3)))
    files = files_of_ops_and_layers(loaded_by(program))
    assert f"funcnn.{file}" in files
    assert len(files) <= 8
    assert not [f for f in files if other in f.rpartition(".")[2]]


def test_a_star_imports_everything():
    loaded = loaded_by("from funcnn.ops import *; swiglu, conv")
    assert {module.__name__ for module in OP_MODULES} - loaded <= {"funcnn.ops._rules"}


# The ops and their rules.


def public(package):
    """Everything that a package shows, by name; its own rooms are not of it."""
    return {
        name: getattr(package, name)
        for name in dir(package)
        if not name.startswith("_")
        and not isinstance(getattr(package, name), types.ModuleType)
    }


OPS = public(fn.ops)
OP_MODULES = [
    importlib.import_module(info.name)
    for info in pkgutil.walk_packages(fn.ops.__path__, "funcnn.ops.")
    if not info.ispkg
]
RULES = {
    f"{module.__name__}.{name}": (module, name)
    for module in OP_MODULES
    for name, value in vars(module).items()
    if is_rule(value)
}
every_op = pytest.mark.parametrize("op", OPS.values(), ids=OPS)


def names_used(function, module):
    """The globals that a function reaches, through others of its module."""
    found, waiting = set(), [function]
    while waiting:
        names = set(waiting.pop().__code__.co_names) - found
        found |= names
        values = [vars(module).get(name) for name in names]
        waiting += [v for v in values if inspect.isfunction(v)]
    return found


@pytest.mark.parametrize(("module", "name"), RULES.values(), ids=RULES)
def test_every_rule_is_reached_by_a_public_op(module, name):
    ops = [op for op in OPS.values() if op.__module__ == module.__name__]
    assert any(name in names_used(op, module) for op in ops)


@every_op
def test_every_op_reaches_a_rule(op):
    module = sys.modules[op.__module__]
    names = names_used(op, module)
    assert any(is_rule(vars(module).get(name)) for name in names)


@every_op
def test_every_op_tells_its_derivation_and_what_it_saves(op):
    for section in ("Gradient", "Saved"):
        assert re.search(rf"^ *{section}[.:]", op.__doc__, re.MULTILINE), section


@every_op
def test_every_op_or_its_file_tells_shapes_dtypes_and_errors(op):
    """Ops that share a derivation share their file's statements."""
    file = sys.modules[op.__module__]
    together = [f.__doc__ for f in OPS.values() if f.__module__ == file.__name__]
    text = "\n".join([file.__doc__, *together])
    for section in ("shape", "dtype", "errors:"):
        assert section in op.__doc__.lower() or section in text.lower(), section


@every_op
def test_every_op_s_derivation_stands_in_a_file_of_ops(op):
    assert op.__module__.startswith("funcnn.ops._")


# The public names.


@pytest.mark.parametrize("room", [fn.ops, fn.layers], ids=["ops", "layers"])
def test_ops_and_layers_are_at_the_top_too(room):
    assert public(room)
    for name, value in public(room).items():
        assert getattr(fn, name) is value


def packages():
    yield fn
    for info in pkgutil.walk_packages(fn.__path__, "funcnn."):
        if info.ispkg and not info.name.startswith("funcnn.cli"):
            yield importlib.import_module(info.name)


@pytest.mark.parametrize("package", list(packages()), ids=lambda p: p.__name__)
def test_no_module_shares_its_name_with_something_public(package):
    for info in pkgutil.iter_modules(package.__path__):
        # once imported, a module hides a function of its name, or the reverse
        value = getattr(package, info.name, None)
        assert value is None or isinstance(value, types.ModuleType), info.name


@pytest.mark.parametrize("package", list(packages()), ids=lambda p: p.__name__)
def test_every_public_function_and_class_has_a_docstring(package):
    for name, value in public(package).items():
        if inspect.isfunction(value) or inspect.isclass(value):
            assert value.__doc__, name


# The stubs, in which type checkers and the package itself read what is public.


@pytest.mark.parametrize("stub", STUBS, ids=file_of)
def test_a_stub_lists_what_there_is_and_its_package_shows_it(stub):
    package = importlib.import_module(name_of(stub))
    listed = {}
    for node in ast.parse(stub.read_text()).body:
        assert isinstance(node, ast.ImportFrom), ast.unparse(node)
        for alias in node.names:
            assert alias.name == "*" or alias.asname == alias.name  # shown to checkers
            listed.setdefault(alias.name, []).append(node.module)
    stars = listed.pop("*", [])
    assert all(len(modules) == 1 for modules in listed.values()), "listed twice"
    for name, [module] in listed.items():
        home = importlib.import_module(module)
        assert getattr(package, name) is getattr(home, name)
    for module in stars:
        room = importlib.import_module(module)
        assert all(getattr(package, n) is getattr(room, n) for n in room.__all__)
    assert set(listed) <= set(dir(package))
    assert set(package.__all__) <= set(dir(package))


@pytest.mark.parametrize("package", list(packages()), ids=lambda p: p.__name__)
def test_a_name_that_is_not_there_is_an_attribute_error(package):
    with pytest.raises(
        AttributeError, match=f"^module '{package.__name__}' has no attribute 'rellu'"
    ):
        package.rellu  # noqa: B018


def test_every_layer_of_the_files_is_listed():
    # as is every op's file: a rule is reached by an op that is public
    listed = {v for v in public(fn.layers).values() if isinstance(v, type)}
    bases = {base for layer in listed for base in layer.__mro__[1:]}
    for info in pkgutil.walk_packages(fn.layers.__path__, "funcnn.layers."):
        for name, value in vars(importlib.import_module(info.name)).items():
            if isinstance(value, type) and issubclass(value, fn.Layer):
                assert name.startswith("_") or value in listed | bases, name
