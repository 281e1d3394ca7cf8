// Loads and decodes the next images while this one is judged, so that the next card paints at once.
const kept = new Map(); // url -> Image; holding the object keeps the decoded picture in memory

async function fetchAhead() {
  const card = document.querySelector("[data-prefetch]");
  if (!card) return;
  const urls = card.dataset.prefetch.split(" ").filter(Boolean);
  const shown = card.querySelector("[data-zoom-image]");
  // This card's own picture first; a picture that fails here will be asked for again when its turn comes.
  if (shown && !shown.complete) await shown.decode().catch(() => {});
  for (const url of [...kept.keys()]) if (!urls.includes(url) && url !== shown?.getAttribute("src")) kept.delete(url);
  for (const url of urls) {
    if (kept.has(url)) continue;
    const image = new Image();
    image.src = url;
    kept.set(url, image);
    await image.decode().catch(() => kept.delete(url)); // one at a time: the nearest must not wait for the others
  }
}

document.addEventListener("htmx:after:swap", fetchAhead);
fetchAhead();
