// The cards that are ready: asked for ahead and held under lease, one tab's never another's; their leases are kept
// while somebody is there, and let go when the page is left.

import { loadAhead, sourceOf } from "./images.js";

const BEAT_MS = 30_000; // sooner than a lease ends whose page was left (app/claims/held.py): a reload leaves too
const AWAY_MS = 30 * 60_000;
const lockName = (claim) => `terroir-card-${claim}`;

export function makeDeck({ account, slug, want, first, loaded }) {
  let ready = []; // {claim, image, extra, template}
  let current = first?.claim ?? null;
  let lastSign = performance.now();
  const releases = new Map(); // claim -> lets its lock go
  const headers = { accept: "text/html", "terroir-account": account };

  /** Whether this tab may show the claim. */
  function own(claim) {
    if (!navigator.locks || releases.has(claim)) return Promise.resolve(true);
    return new Promise((resolve) => {
      navigator.locks.request(lockName(claim), { ifAvailable: true }, (lock) => {
        resolve(Boolean(lock));
        return lock ? new Promise((release) => releases.set(claim, release)) : undefined;
      }).catch(() => resolve(true));
    });
  }

  function disown(claim) {
    releases.get(claim)?.();
    releases.delete(claim);
  }

  async function elsewhere() {
    const { held = [] } = navigator.locks ? await navigator.locks.query() : {};
    return held.map((lock) => lock.name).filter((name) => name.startsWith(lockName(""))).map((name) => name.slice(lockName("").length));
  }

  const post = (path, fields) =>
    fetch(`/judge/${slug}/${path}`, { method: "POST", headers, body: new URLSearchParams(fields), credentials: "same-origin" });

  function read(template) {
    const { dataset } = template.content.querySelector("[data-judge]");
    return { claim: dataset.claim, image: dataset.image, extra: [dataset.thumb, ...dataset.references.split(" ").filter(Boolean)], template };
  }

  /** Asks for as many as are missing. `waiting`: claims whose answers have not arrived. What came beside the cards is
   *  answered: {status, n, counts, nothing, strip}; status 0 is "not reached". */
  async function refill(waiting) {
    const missing = Math.max(want - ready.length + (current ? 0 : 1), 0);
    const mine = ready.map((card) => card.claim);
    const have = new Set([current, ...mine, ...waiting, ...(await elsewhere())].filter(Boolean));
    let reply;
    try {
      reply = await post("cards", [...[...have].map((claim) => ["have", claim]), ["want", String(missing)]]);
    } catch {
      return { status: 0 };
    }
    if (!reply.ok || !reply.headers.get("content-type")?.startsWith("text/html")) return { status: reply.status };
    const page = new DOMParser().parseFromString(await reply.text(), "text/html").querySelector("[data-cards]");
    if (!page) return { status: 401 }; // a page to sign in on
    const templates = [...page.querySelectorAll("[data-card]")];
    for (const template of templates) {
      const card = read(template);
      if (!have.has(card.claim) && (await own(card.claim))) ready.push(card);
    }
    ahead();
    return { status: 200, n: templates.length, counts: page.dataset, nothing: page.querySelector("[data-nothing]"), strip: page.querySelector("[data-strip]") };
  }

  function ahead() {
    loadAhead({ account, cards: () => ready, shown: () => shownImage, many: want > 3, loaded });
  }

  let shownImage = first?.image ?? null;

  /** A card's article, ready to be shown. */
  function draw(card) {
    const article = document.importNode(card.template.content, true).querySelector("[data-judge]");
    article.querySelector("[data-zoom-image]").src = sourceOf(card.image);
    current = card.claim;
    shownImage = card.image;
    return article;
  }

  function take() {
    const card = ready.shift() ?? null;
    if (!card) current = null;
    return card;
  }

  /** An answered card is no longer this tab's to keep. */
  function done(claim) {
    disown(claim);
    if (current === claim) current = null;
  }

  function putBack(card) {
    ready.unshift(card);
  }

  async function beat() {
    const claims = [current, ...ready.map((card) => card.claim)].filter(Boolean);
    if (!claims.length || performance.now() - lastSign > AWAY_MS) return;
    const reply = await post("heartbeat", claims.map((claim) => ["claim", claim])).catch(() => null);
    if (!reply?.ok) return;
    const { held } = await reply.json();
    const lost = ready.filter((card) => claims.includes(card.claim) && !held.includes(card.claim));
    for (const card of lost) disown(card.claim);
    ready = ready.filter((card) => !lost.includes(card)); // the one on the screen stays: its answer may still count
  }

  /** `begun`: claims with something answered on them, which stay this person's for as long as a lease lasts. */
  function leave(begun) {
    const claims = [current, ...ready.map((card) => card.claim)].filter(Boolean);
    const tell = (path, some) =>
      some.length && navigator.sendBeacon(`/judge/${slug}/${path}`, new URLSearchParams(some.map((claim) => ["claim", claim])));
    for (const claim of [...releases.keys()]) disown(claim);
    tell("leave", claims.filter((claim) => !begun.includes(claim)));
    tell("heartbeat", claims.filter((claim) => begun.includes(claim)));
  }

  /** Back from the browser's memory of pages: others may have taken cards meanwhile. */
  async function comeBack() {
    for (const card of [...ready]) if (!(await own(card.claim))) ready = ready.filter((one) => one !== card);
    await beat();
    return !current || own(current);
  }

  for (const sign of ["pointerdown", "keydown", "pointermove"]) {
    addEventListener(sign, () => (lastSign = performance.now()), { passive: true, capture: true });
  }
  setInterval(beat, BEAT_MS);
  addEventListener("online", beat);

  return {
    own, draw, take, putBack, done, beat, leave, comeBack, ahead, refill,
    count: () => ready.length,
    drop: (claim) => (ready = ready.filter((card) => card.claim !== claim)),
  };
}
