// Loads and decodes the next images while this one is judged, so that the next card paints at once. Where many are
// kept ready they lie in the browser's cache too, which a weak connection can't empty.

const DECODED = 4;
const held = new Map(); // address -> {image, src}; holding the object keeps the decoded picture in memory
let queue = Promise.resolve();

const cacheName = (account) => `terroir-images-${account}`;

async function fromCache(cache, address) {
  let reply = await cache.match(address);
  if (!reply) {
    await cache.add(address);
    reply = await cache.match(address);
  }
  return URL.createObjectURL(await reply.blob());
}

async function load(address, cache) {
  if (held.has(address)) return;
  const image = new Image();
  const entry = { image, src: address };
  held.set(address, entry);
  try {
    if (cache) entry.src = await fromCache(cache, address);
    image.src = entry.src;
    await image.decode();
  } catch {
    drop(address); // asked for again when its turn comes
  }
}

function drop(address) {
  const entry = held.get(address);
  held.delete(address);
  if (entry?.src.startsWith("blob:")) URL.revokeObjectURL(entry.src);
}

/** `cards`: [{image, extra}] in the order they come; `shown` is on the screen. One at a time: the nearest first. */
export function loadAhead({ account, cards, shown, many }) {
  const run = async () => {
    const cache = many && globalThis.caches ? await caches.open(cacheName(account)) : null;
    const wanted = new Set(cards.flatMap((card) => [card.image, ...card.extra]));
    for (const address of [...held.keys()]) if (!wanted.has(address) && address !== shown) drop(address);
    for (const card of cards.slice(0, many ? cards.length : DECODED)) {
      for (const address of [card.image, ...card.extra]) await load(address, cache && address === card.image ? cache : null);
    }
    if (!cache) return;
    for (const request of await cache.keys()) {
      const { pathname } = new URL(request.url);
      if (!wanted.has(pathname) && pathname !== shown) await cache.delete(request);
    }
  };
  queue = queue.then(run).catch(() => {});
  return queue;
}

/** Where the picture can be had at once; its own address when it isn't there yet. */
export const sourceOf = (address) => held.get(address)?.src ?? address;
