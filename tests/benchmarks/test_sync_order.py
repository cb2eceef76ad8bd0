"""Files are synced before they are named: what follows a run's system calls."""

import re
from pathlib import PurePath

import pytest

from benchmarks.sync_order.__main__ import traced
from benchmarks.sync_order._calls import calls
from benchmarks.sync_order._disk import Disk

# A checkpoint, as it is written; `{}` is replaced by the folder of all.
GOOD = """
1 mkdir("{}/run", 0777) = 0
1 fsync(3<{}>) = 0
1 mkdir("{}/run/.new", 0777) = 0
1 openat(AT_FDCWD</>, "{}/run/.new/a", O_WRONLY|O_CREAT) = 4<{}/run/.new/a>
1 write(4<{}/run/.new/a>, ""..., 10) = 10
1 fsync(4<{}/run/.new/a>) = 0
1 fsync(5<{}/run/.new>) = 0
1 rename("{}/run/.new", "{}/run/1") = 0
1 fsync(5<{}/run>) = 0
1 unlinkat(6<{}/run/1>, "a", 0) = 0
""".strip().splitlines()


def followed(lines, root="/root"):
    return Disk(PurePath(root)).follow(calls([x.format(*[root] * 9) for x in lines]))


def without(part):
    left = [line for line in GOOD if part not in line]
    assert len(left) == len(GOOD) - 1
    return left


def test_the_right_order_has_no_fault():
    disk = followed(GOOD)
    assert disk.faults == []
    assert disk.named == [(PurePath("/root/run/1"), 1, 1)]


def test_other_folders_and_calls_that_failed_do_not_count():
    failed = '1 rename("{}/run/.new", "{}/run/2") = -1 ENOENT (No such file)'
    other = '1 rename("/other/a", "/other/b") = 0'
    disk = followed([*GOOD, failed, other, "1 +++ exited with 0 +++", "1 --- SIGINT"])
    assert disk.faults == []
    assert len(disk.named) == 1


@pytest.mark.parametrize(
    ("left_out", "fault"),
    [
        ("1 fsync(3<{}>)", "/root/run/1 was named before the name of /root/run was"),
        ("fsync(4<", "/root/run/1 was named before the content of /root/run/.new/a"),
        (
            "fsync(5<{}/run/.new>",
            "named before the name of /root/run/.new/a was synced",
        ),
        (
            "fsync(5<{}/run>)",
            "/root/run/1/a was deleted before the name of /root/run/1",
        ),
    ],
)
def test_each_sync_is_needed(left_out, fault):
    assert fault in followed(without(left_out)).faults[0]


def test_what_is_written_after_its_sync_is_not_synced():
    sync = next(i for i, line in enumerate(GOOD) if "fsync(4" in line)
    lines = [*GOOD[: sync - 1], GOOD[sync], GOOD[sync - 1], *GOOD[sync + 1 :]]
    assert "before the content of" in followed(lines).faults[0]


def test_the_name_has_to_be_synced_before_the_next_one_and_at_the_end():
    named = GOOD[: GOOD.index('1 rename("{}/run/.new", "{}/run/1") = 0') + 1]
    (fault,) = followed(named).faults
    assert fault == "the end before the name of /root/run/1 was synced"
    again = [*named[2:-1], named[-1].replace("run/1", "run/2")]
    assert "/root/run/2 was named before the name of /root/run/1" in " ".join(
        followed(named + again).faults
    )


def test_a_sync_counts_when_it_is_done_and_a_rename_when_it_begins():
    at = GOOD.index("1 fsync(5<{}/run/.new>) = 0")
    begun, done = (
        "2 fsync(5<{}/run/.new> <unfinished ...>",
        "2 <... fsync resumed>) = 0",
    )
    assert followed([*GOOD[:at], begun, done, *GOOD[at + 1 :]]).faults == []
    late = [*GOOD[:at], begun, GOOD[at + 1], done, *GOOD[at + 2 :]]
    assert "was named before the name of" in followed(late).faults[0]
    rename = '1 rename("{}/run/.new", "{}/run/1" <unfinished ...>'
    early = [*GOOD[:at], rename, GOOD[at], "1 <... rename resumed>) = 0"]
    faults = followed([*early, *GOOD[at + 2 :]]).faults
    assert "was named before the name of" in faults[0]


@pytest.mark.slow
def test_a_run_syncs_before_it_names(tmp_path):
    disk = traced(tmp_path)
    assert disk.faults == []
    names = {str(path.relative_to(path.parents[1])): rest for path, *rest in disk.named}
    # five files, the manifest among them, in two folders
    checkpoints = {name: x for name, x in names.items() if "checkpoints" in name}
    assert [int(name[-8:]) for name in checkpoints] == [
        50,
        100,
        140,
        150,
        200,
        250,
        280,
    ]
    assert all(counts == [5, 2] for counts in checkpoints.values())
    files = {re.sub(".*/", "", name): counts for name, counts in names.items()}
    for name in ("config.json", "params.safetensors"):
        assert files[name] == [1, 0]
