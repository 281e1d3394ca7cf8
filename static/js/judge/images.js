// Loads and decodes the next images while this one is judged, so that the next card paints at once. Where many are
// kept ready they lie in the browser's cache too, which a weak connection can't empty.

const DECODED = 4;
const held = new Map(); // address -> {image, src}; holding the object keeps the decoded picture in memory
let queue = Promise.resolve();
let isQueued = false;

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

/** `cards()` are those to come, [{image, extra}], in their order; `shown()` is on the screen. One picture at a time: the
 *  nearest first; `loaded(n)` says how many of them are there. What both say is asked for anew with each picture, since cards come and go meanwhile. */
export function loadAhead({ account, cards, shown, many, loaded }) {
  const run = async () => {
    isQueued = false;
    const cache = many && globalThis.caches ? await caches.open(cacheName(account)) : null;
    const wanted = () => new Set([shown(), ...cards().flatMap((card) => [card.image, ...card.extra])]);
    for (const address of [...held.keys()]) if (!wanted().has(address)) drop(address);
    for (const card of cards().slice(0, many ? undefined : DECODED)) {
      for (const address of [card.image, ...card.extra]) await load(address, address === card.image ? cache : null);
      loaded(cards().filter((one) => held.has(one.image)).length);
    }
    for (const request of cache ? await cache.keys() : []) {
      if (!wanted().has(new URL(request.url).pathname)) await cache.delete(request);
    }
  };
  if (isQueued) return;
  isQueued = true;
  queue = queue.then(run).catch(() => {});
}

/** Where the picture can be had at once; its own address when it isn't there yet. */
export const sourceOf = (address) => held.get(address)?.src ?? address;
