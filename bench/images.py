"""Images a second through `process`, beside bare Pillow's decode and one WebP: `python -m bench.images DIR`.

One core, medians over rounds. The bare figure is the machine's limit for any product that shows a WebP of each image.
"""

import io
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from app.items import images

ROUNDS = 5


def bare(data: bytes, name: str) -> None:
    with Image.open(io.BytesIO(data)) as image:
        image.convert("RGB").save(io.BytesIO(), "WEBP", quality=80, method=0)


def rate(work: Callable[[bytes, str], object], files: list[tuple[bytes, str]]) -> float:
    """Images a second, the median of ROUNDS passes over the files."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for data, name in files:
            work(data, name)
        seconds.append(time.perf_counter() - start)
    return len(files) / statistics.median(seconds)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) == 2 else Path(__file__).parents[1] / "tests/items/seeds"
    files = [(path.read_bytes(), path.name) for path in sorted(folder.rglob("*.jpg"))[:100]]
    if not files:
        sys.exit(f"{folder} holds no .jpg files: name a folder of images.")
    facts = [images.inspect(*file) for file in files]  # warms up, too
    pixels = statistics.median(fact.width * fact.height for fact in facts)
    limit, ours = rate(bare, files), rate(images.process, files)
    print(f"{len(files)} JPEGs, median {pixels / 1e6:.2f} megapixels, {ROUNDS} rounds, one core")
    print(f"bare Pillow, decode + one WebP       {limit:7.1f} images/s")
    print(f"process: checks, hashes, two WebPs   {ours:7.1f} images/s   {ours / limit:.2f} of bare")


if __name__ == "__main__":
    main()
