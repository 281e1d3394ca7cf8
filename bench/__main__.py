"""`make bench`, or `python -m bench [NAME…]`: the measurements one after the other, each in a process of its own."""

import subprocess
import sys

USUAL = (
    "images", "agreement", "agreement_coverage", "rater_models", "hot_path", "release", "evaluation",
    "evaluation_scoring",
)  # fmt: skip
LONG = (
    "scale", "claims_at_size", "dashboard", "watching", "next_card", "agreement_oracles", "simulation",
    "evaluation_gpu",
)  # fmt: skip
"""Only by name: an hour on two cores and 15 GB of disk; five minutes and 4 GB; ten minutes; four; a browser; other
libraries; half an hour; a GPU."""


def main() -> None:
    names = sys.argv[1:] or USUAL
    if unknown := [name for name in names if name not in USUAL + LONG]:
        sys.exit(f"There is no measurement “{unknown[0]}”; there are {', '.join(USUAL + LONG)}.")
    failed = []
    for name in names:
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
