"""How much a program has to compute and to move."""

from funcnn.parallel._hlo import Instruction, Program, array_bytes, type_bytes

# These move nothing: they give names to what is there.
_FREE = {
    *"parameter constant tuple get-tuple-element bitcast after-all while call".split(),
    *"conditional partition-id replica-id opt-barrier".split(),
}


def has_loops(program: Program) -> bool:
    """Whether a part of the program runs more than once."""
    return any(
        line.op == "while" and program.trips(name, line) != 1
        for name, _ in program.executed()
        for line in program.computations[name].values()
    )


def has_open_loops(program: Program) -> bool:
    """Whether a loop runs as often as nobody knows before."""
    return any(
        line.op == "while" and program.trips(name, line) is None
        for name, _ in program.executed()
        for line in program.computations[name].values()
    )


def has_branches(program: Program) -> bool:
    """Whether which part of the program runs is known only when it does."""
    return any(
        line.op == "conditional"
        for name, _ in program.executed()
        for line in program.computations[name].values()
    )


def moved_bytes(program: Program) -> int:
    """What the program's instructions read and write, each fusion as one.

    Loops count as often as they run, and what a TPU keeps beside its units does not
    count. Of an array that is sliced, or updated in place, its part counts.
    """
    total = 0
    for name, times in program.executed():
        lines = program.computations[name]
        total += times * sum(_moved(line, lines, program) for line in lines.values())
    return total


def _moved(line: Instruction, lines: dict[str, Instruction], program: Program) -> int:
    if line.op in _FREE or line.op.endswith("-done"):
        return 0
    inside = program.computations.get(line.calls[0], {}) if line.op == "fusion" else {}
    if not inside:
        inside = {line.name: line}
        names = dict(enumerate(line.operands))
    else:
        names = {
            int(part.inside): part.name
            for part in inside.values()
            if part.op == "parameter"
        }
    known = lines | inside
    read = sum(
        _read(lines[operand], names.get(number, ""), inside)
        for number, operand in enumerate(line.operands)
        if operand in lines
    )
    return read + _written(line, inside, known)


def _read(operand: Instruction, name: str, inside: dict[str, Instruction]) -> int:
    """Bytes of an operand that is called `name` inside of what reads it."""
    users = [part for part in inside.values() if name in part.operands]
    if users and all(_is_sliced(user, name) for user in users):
        slices = (u.type for u in users if u.op in {"dynamic-slice", "gather"})
        return sum(min(_far(part), _far(operand.type)) for part in slices)
    return _far(operand.type)


def _is_sliced(user: Instruction, name: str) -> bool:
    first = user.operands[0] == name and name not in user.operands[1:]
    return first and user.op in {"dynamic-slice", "gather", "dynamic-update-slice"}


def _written(
    line: Instruction, inside: dict[str, Instruction], known: dict[str, Instruction]
) -> int:
    """Bytes of results; of an array updated in place, of the update."""
    whole = _far(line.type)
    for part in inside.values():
        if part.op == "dynamic-update-slice" and _far(part.type):
            update = known.get(part.operands[1])
            if update is not None:
                size = type_bytes(update.type)
                whole -= max(0, min(_far(part.type), whole) - size)
    return whole


def _far(text: str) -> int:
    return sum(array_bytes(text, far=True))
