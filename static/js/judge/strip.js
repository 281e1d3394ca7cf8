// The last 20 own answers as small pictures: which are sent, which wait, which can't change any more. Opens one again.

import { say } from "./words.js";

const MOST = 20;
const $ = (selector, root = document) => root.querySelector(selector);

/** `open(claim, state)` shows an earlier answer without leaving the page; it answers whether it can. */
export function makeStrip({ account, slug, open }) {
  const list = $("[data-strip-list]");
  const entries = () => [...list.querySelectorAll("[data-strip-entry]")];
  const entryOf = (claim) => entries().find((entry) => entry.dataset.claim === claim);

  function add(record) {
    const shown = document.importNode($("[data-strip-template]").content, true);
    const entry = $("[data-strip-entry]", shown);
    entry.dataset.claim = record.claim;
    $("a", entry).href = `/judge/${slug}/claims/${record.claim}`;
    $("img", entry).src = record.thumb;
    $("[data-strip-food]", entry).textContent = record.food;
    list.prepend(entry);
    return entry;
  }

  /** Marks what is still on its way. `records` are this person's, oldest first. */
  function mark(records) {
    // Whoever would rather not judge an image needn't have it before their eyes either (judgments/earlier.py).
    const own = records.filter((record) => record.campaign === slug && record.body.reason !== "distressing");
    for (const record of own) {
      const entry = entryOf(record.claim) ?? add(record);
      const isDecided = record.refused?.status === 409;
      entry.dataset.state = isDecided ? "frozen" : record.refused ? "refused" : "waiting";
      entry.dataset.then = record.action === "skip" ? "skipped" : record.isChange ? "changed" : "sent";
    }
    const claims = new Set(own.map((record) => record.claim));
    for (const entry of entries()) {
      if (["waiting", "refused"].includes(entry.dataset.state) && !claims.has(entry.dataset.claim)) {
        entry.dataset.state = entry.dataset.then;
      }
    }
    for (const entry of entries().slice(MOST)) entry.remove();
  }

  function show(template) {
    list.replaceChildren(document.importNode(template.content, true));
  }

  function markCurrent(claim) {
    for (const entry of entries()) {
      const link = $("a", entry);
      if (entry.dataset.claim === claim) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    const back = $("[data-back]");
    if (back) back.hidden = before(claim) === null;
  }

  /** The answer given before this one; the last one, when this one is new. */
  function before(claim) {
    const all = entries();
    return all[all.findIndex((entry) => entry.dataset.claim === claim) + 1] ?? null;
  }

  list.addEventListener("click", (event) => {
    const entry = event.target.closest("[data-strip-entry]");
    if (!entry || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (open(entry.dataset.claim, entry.dataset.state)) event.preventDefault();
    else if (!navigator.onLine) {
      event.preventDefault(); // a page that can't be reached would take this one's place
      $("[data-outbox-status]").textContent = say("offline", { n: 0 });
    }
  });

  document.addEventListener("click", (event) => {
    const back = event.target.closest?.("[data-back]");
    if (!back) return;
    const entry = before($("[data-claim]")?.dataset.claim);
    if (!entry) return;
    event.preventDefault();
    $("a", entry).click();
  });

  return { mark, show, markCurrent };
}
