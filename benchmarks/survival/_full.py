"""Disks that are full: small file systems of their own."""

import json
import pathlib
import shutil
import subprocess

from benchmarks.survival._runs import LONGEST, Workplace, needed

# A mount is seen by the shell and the run alone, and is gone with them; so what is on
# it is copied out.
_SCRIPT = """
mount -t tmpfs -o size=$SIZE tmpfs "$MOUNT" || exit 99
if [ -n "$FILLED" ]; then
    ( until [ -s "$(echo "$MOUNT"/*/metrics.jsonl)" ]; do sleep 0.01; done
      # again and again, for a checkpoint that is deleted leaves room
      while sleep 0.001; do cat /dev/zero >> "$MOUNT/hog"; done ) 2>/dev/null &
    hog=$!
fi
"$@"
code=$?
[ -z "$FILLED" ] || kill $hog
sleep 0.1
rm -f "$MOUNT/hog"
cp -a "$MOUNT/." "$OUT"
exit $code
"""


def full_in_checkpoint(place: Workplace) -> str:
    """A file system with room for two checkpoints and a half."""
    out, done = _on_small_disk(place, "full-checkpoint", size="3m")
    needed(done.returncode == 1, done.stdout)
    said = done.stderr
    needed("goes on without a checkpoint" in said, said)
    needed("not everything was saved" in said or "No space left" in said, said)
    needed("Traceback" not in said, said)
    place.same(out)
    return "training goes on with a warning, exit code 1; later, bitwise equal"


def full_in_metrics(place: Workplace) -> str:
    """A file system that another program fills after the first epoch."""
    epochs = ["--epochs", "40"]  # so that metrics.jsonl needs a second page
    whole = place.new("forty-epochs")
    needed(place.train(whole, *epochs).returncode == 0, "the run without a fault")
    out, done = _on_small_disk(place, "full-metrics", *epochs, size="20m", filled=True)
    needed(done.returncode == 1, done.stdout)
    needed("a record was not written" in done.stderr, done.stderr)
    needed("Traceback" not in done.stderr, done.stderr)
    run = place.run(out)
    assert run is not None
    lines = (run / "metrics.jsonl").read_text().splitlines()
    kept = [json.loads(line)["epoch"] for line in lines]
    needed(kept == list(range(1, len(kept) + 1)), f"the lines are of epochs {kept}")
    done = place.resumed(out)
    needed(done.returncode == 0, done.stdout + done.stderr)
    needed(place.weights(out) == place.weights(whole), "other parameters at the end")
    lines = (run / "metrics.jsonl").read_text().splitlines()
    needed([json.loads(x)["epoch"] for x in lines] == list(range(1, 41)), lines)
    return f"{len(kept)} whole lines, exit code 1; later all 40, bitwise equal"


def _on_small_disk(
    place: Workplace, name: str, *options: object, size: str, filled: bool = False
) -> tuple[pathlib.Path, "subprocess.CompletedProcess[str]"]:
    mount, out = place.new(f"{name}-mount"), place.new(name)
    mount.mkdir()
    out.mkdir()
    needed(shutil.which("unshare"), "unshare, of util-linux, is needed")
    shell = ["unshare", "--map-root-user", "--mount", "sh", "-c", _SCRIPT, "sh"]
    settings = {"SIZE": size, "MOUNT": mount, "OUT": out, "FILLED": filled or ""}
    environment = place.environment | {k: str(v) for k, v in settings.items()}
    done = subprocess.run(
        [*shell, *place.command(mount, *options)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST,
    )
    needed(done.returncode != 99, f"no file system could be mounted: {done.stderr}")
    return out, done
