"""What is read from compiled programs: collectives, loops, bytes; on their texts."""

import pytest

from funcnn.parallel._collectives import collectives
from funcnn.parallel._hlo import array_bytes, parse_hlo, type_bytes
from funcnn.parallel._work import has_loops, has_open_loops, moved_bytes

ADD = """\
%add (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %sum = f32[] add(%a, %b)
}
"""


def program(*lines, before=ADD, result="f32[8]"):
    body = "\n".join(f"  {line}" for line in lines)
    head = f"ENTRY %main (x: f32[8]) -> {result} {{"
    return parse_hlo(f"HloModule m\n\n{before}\n{head}\n{body}\n}}\n")


def counted(found, devices=4):
    rows = collectives(found, devices)
    return {row.kind: (row.count, row.bytes, row.sent) for row in rows}


X = "%x = f32[8]{0} parameter(0)"
GROUPS = "replica_groups={{0,1,2,3}}"
IOTA = "replica_groups=[1,4]<=[4]"
MESH = "replica_groups=mesh['axis_0'=4,'axis_1'=2] {'axis_0'}"


@pytest.mark.parametrize("groups", [GROUPS, IOTA, MESH])
def test_an_all_reduce_sends_twice_its_bytes_but_one_part(groups):
    found = program(X, f"ROOT %r = f32[8]{{0}} all-reduce(%x), {groups}, to_apply=%add")
    assert counted(found) == {"all-reduce": (1, 32, 2 * 32 * 3 / 4)}


@pytest.mark.parametrize(
    ("line", "kind", "size"),
    [
        ("%r = f32[32]{0} all-gather(%x), " + IOTA, "all-gather", 128),
        ("%r = f32[2]{0} reduce-scatter(%x), " + IOTA, "reduce-scatter", 32),
        ("%r = f32[8]{0} all-to-all(%x), " + IOTA, "all-to-all", 32),
        (
            "%r = f32[2]{0} reduce-scatter(f32[8]{0} %x), " + IOTA,
            "reduce-scatter",
            32,
        ),
    ],
)
def test_the_bytes_are_those_of_the_whole(line, kind, size):
    assert counted(program(X, "ROOT " + line)) == {kind: (1, size, size * 3 / 4)}


def test_a_permutation_sends_all():
    found = program(
        X, "ROOT %r = f32[8]{0} collective-permute(%x), source_target_pairs={{0,1}}"
    )
    assert counted(found) == {"collective-permute": (1, 32, 32.0)}


def test_a_tuple_s_parts_count_together():
    found = program(
        X,
        "%y = bf16[4]{0} constant({...})",
        "%r = (f32[8]{0}, /*index=1*/bf16[4]{0}) all-reduce(%x, %y), "
        + f"{IOTA}, to_apply=%add",
        "ROOT %first = f32[8]{0} get-tuple-element(%r), index=0",
    )
    assert counted(found)["all-reduce"][:2] == (1, 40)


@pytest.mark.parametrize(
    ("start", "kind", "size"),
    [
        ("f32[8]{0} all-reduce-start(%x), to_apply=%add, ", "all-reduce", 32),
        ("(f32[8]{0}, f32[32]{0}) all-gather-start(%x), ", "all-gather", 128),
        (
            "(f32[8]{0}, f32[8]{0}, u32[], u32[]) collective-permute-start(%x), ",
            "collective-permute",
            32,
        ),
    ],
)
def test_of_a_start_and_its_end_one_counts(start, kind, size):
    found = program(
        X,
        f"%s = {start}{IOTA}",
        f"ROOT %d = f32[8]{{0}} {kind}-done(%s)",
    )
    assert counted(found)[kind][:2] == (1, size)


def test_one_that_is_wrapped_to_run_beside_others_counts_once():
    wrapped = f"""\
%wrapped (p: f32[8]) -> f32[2] {{
  %p = f32[8]{{0}} parameter(0)
  ROOT %inner = f32[2]{{0}} reduce-scatter(%p), {IOTA}, to_apply=%add
}}
"""
    found = program(
        X,
        "%s = ((f32[8]{0}), f32[2]{0}) async-start(%x), calls=%wrapped",
        "ROOT %d = f32[2]{0} async-done(%s)",
        before=ADD + "\n" + wrapped,
        result="f32[2]",
    )
    assert counted(found) == {"reduce-scatter": (1, 32, 24.0)}


def test_one_in_several_fusions_of_one_channel_counts_once():
    # as a TPU's compiler has it: where it begins, where it goes on, where it ends
    parts = "".join(
        f"""
%part.{n} (p.{n}: f32[8]) -> f32[32] {{
  %p.{n} = f32[8]{{0}} parameter(0)
  ROOT %g.{n} = f32[32]{{0}} all-gather(%p.{n}), channel_id=5, {IOTA}
}}
"""
        for n in range(3)
    )
    fusions = (
        f"%f.{n} = f32[32]{{0:T(128)S(1)}} fusion(%x), kind=kCustom, calls=%part.{n}"
        for n in range(3)
    )
    other = f"%h = f32[32]{{0}} all-gather(%x), channel_id=6, {IOTA}"
    found = program(X, *fusions, other, before=parts)
    assert counted(found)["all-gather"][:2] == (2, 256)


def loop(count="", bound="constant(7)", start="constant(2)", direction="LT"):
    computations = f"""\
%body (arg: (s32[], f32[8])) -> (s32[], f32[8]) {{
  %arg = (s32[], f32[8]{{0}}) parameter(0)
  %i = s32[] get-tuple-element(%arg), index=0
  %v = f32[8]{{0}} get-tuple-element(%arg), index=1
  %r = f32[8]{{0}} all-reduce(%v), {IOTA}, to_apply=%add
  ROOT %out = (s32[], f32[8]{{0}}) tuple(%i, %r)
}}

%condition (arg.1: (s32[], f32[8])) -> pred[] {{
  %arg.1 = (s32[], f32[8]{{0}}) parameter(0)
  %j = s32[] get-tuple-element(%arg.1), index=0
  %bound = s32[] {bound}
  ROOT %less = pred[] compare(%j, %bound), direction={direction}
}}
"""
    return program(
        X,
        f"%start = s32[] {start}",
        "%copied = s32[] copy(%start)",
        "%begin = (s32[], f32[8]{0}) tuple(%copied, %x)",
        "%w = (s32[], f32[8]{0}) while(%begin), condition=%condition, body=%body"
        + count,
        "ROOT %r = f32[8]{0} get-tuple-element(%w), index=1",
        before=ADD + "\n" + computations,
    )


def test_a_loop_s_collectives_count_as_often_as_it_runs():
    stated = ', backend_config={"known_trip_count":{"n":"12"}}'
    assert counted(loop(stated))["all-reduce"][:2] == (12, 12 * 32)


def test_how_often_a_loop_runs_is_found_from_its_condition():
    assert counted(loop())["all-reduce"][0] == 5
    assert has_loops(loop())
    assert not has_open_loops(loop())


@pytest.mark.parametrize(
    "options",
    [{"bound": "parameter(1)"}, {"start": "add(%x, %x)"}, {"direction": "GT"}],
)
def test_a_loop_without_known_end_counts_once(options):
    found = loop(**options)
    assert counted(found)["all-reduce"][0] == 1
    assert has_open_loops(found)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("f32[2,3]{1,0:T(8,128)}", [24]),
        ("(bf16[4], pred[], s4[3], f8e4m3fn[5], c64[1])", [8, 1, 2, 5, 8]),
        ("f32[]", [4]),
        ("token[]", [0]),
    ],
)
def test_the_bytes_of_a_type(text, sizes):
    assert array_bytes(text) == sizes
    assert type_bytes(text) == sum(sizes)


def test_a_fusion_reads_its_operands_and_writes_its_results():
    inside = """\
%square (p: f32[8]) -> f32[8] {
  %p = f32[8]{0} parameter(0)
  %m = f32[8]{0} multiply(%p, %p)
  ROOT %n = f32[8]{0} negate(%m)
}
"""
    fusion = "ROOT %f = f32[8]{0} fusion(%x), kind=kLoop, calls=%square"
    assert moved_bytes(program(X, fusion, before=inside)) == 64


def test_of_what_is_sliced_or_updated_in_place_the_part_counts():
    inside = """\
%update (p: f32[100,8], q: f32[8], i: s32[]) -> f32[100,8] {
  %p = f32[100,8]{1,0} parameter(0)
  %q = f32[8]{0} parameter(1)
  %i = s32[] parameter(2)
  %zero = s32[] constant(0)
  %row = f32[1,8]{1,0} bitcast(%q)
  ROOT %u = f32[100,8]{1,0} dynamic-update-slice(%p, %row, %i, %zero)
}
"""
    found = program(
        X,
        "%i = s32[] parameter(1)",
        "%all = f32[100,8]{1,0} parameter(2)",
        "ROOT %f = f32[100,8]{1,0} fusion(%all, %x, %i), kind=kLoop, calls=%update",
        before=inside,
    )
    assert moved_bytes(found) == 32 + 4 + 32  # the row and its place, and the row


def test_what_a_tpu_keeps_beside_its_units_is_not_moved():
    near = "ROOT %f = f32[8]{0:T(128)S(1)} negate(%x)"
    assert moved_bytes(program(X, near)) == 32


def test_a_text_without_a_program_is_refused():
    with pytest.raises(ValueError, match="no ENTRY"):
        parse_hlo("HloModule m\n")
