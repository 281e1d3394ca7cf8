"""Images a CPU second through `process`, beside bare Pillow's decode and one WebP: `python -m bench.images DIR`.

Medians over rounds. The bare figure is the machine's limit for anything that shows a WebP of each image.
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


def seconds(work: Callable[[bytes, str], object], files: list[tuple[bytes, str]]) -> float:
    start = time.process_time()
    for data, name in files:
        work(data, name)
    return time.process_time() - start


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) == 2 else Path(__file__).parents[1] / "tests/items/seeds"
    files = [(path.read_bytes(), path.name) for path in sorted(folder.rglob("*.jpg"))[:100]]
    if not files:
        sys.exit(f"{folder} holds no .jpg files: name a folder of images.")
    facts = [images.inspect(*file) for file in files]  # warms up, too
    pixels = statistics.median(fact.width * fact.height for fact in facts)
    # Taken in turns and in CPU seconds, so that a busy machine weighs on both alike.
    rounds = [(seconds(bare, files), seconds(images.process, files)) for _ in range(ROUNDS)]
    limit, ours = (len(files) / statistics.median(times) for times in zip(*rounds, strict=True))
    print(f"{len(files)} JPEGs, median {pixels / 1e6:.2f} megapixels, {ROUNDS} rounds")
    print(f"bare Pillow, decode + one WebP       {limit:7.1f} images/CPU s")
    print(f"process: checks, hashes, two WebPs   {ours:7.1f} images/CPU s   {ours / limit:.2f} of bare")


if __name__ == "__main__":
    main()
