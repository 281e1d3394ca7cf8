// Counts the time really spent on a card: not while the tab is hidden or somebody pauses, and at most a minute after
// the last sign of life.
const IDLE_MS = 60_000;
const spent = new Map(); // claim -> milliseconds; a card that is put aside goes on where it was
let claim = null;
let since = null; // performance.now() of the last sign of life; null while nothing counts. Monotonic, so never negative.

const isResting = () => document.hidden || Boolean(document.querySelector("[data-pause][open]"));

function count() {
  const now = performance.now();
  if (since !== null && spent.has(claim)) spent.set(claim, spent.get(claim) + Math.min(now - since, IDLE_MS));
  since = isResting() ? null : now;
}

function write() {
  const field = document.querySelector("[data-active-ms]");
  if (field) field.value = String(Math.round(spent.get(claim) ?? 0));
}

function begin() {
  if (spent.has(claim)) count();
  claim = document.querySelector("[data-judge]")?.dataset.claim ?? null;
  if (claim && !spent.has(claim)) spent.set(claim, Number(document.querySelector("[data-active-ms]")?.value) || 0);
  since = isResting() ? null : performance.now();
}

for (const sign of ["pointerdown", "pointermove", "keydown", "wheel", "scroll", "touchstart"]) {
  addEventListener(sign, count, { passive: true, capture: true });
}
document.addEventListener("visibilitychange", count);
addEventListener("blur", count);
const pause = document.querySelector("[data-pause]");
pause?.addEventListener("close", count);
pause?.addEventListener("toggle", count); // fires as it opens, too: what went before still counts
// Capture: before the form is read.
addEventListener("submit", () => { count(); write(); }, { capture: true });
// A later change of an answer counts by itself.
document.addEventListener("card:taken", (event) => spent.delete(event.detail));
document.addEventListener("card:shown", begin);
begin();
