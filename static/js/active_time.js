// Counts the time really spent on a card: not while the tab is hidden, and at most a minute after the last sign of life.
const IDLE_MS = 60_000;
let claim = null;
let spent = 0;
let since = null; // performance.now() of the last sign of life; null while hidden. Monotonic, so never negative.

function count() {
  const now = performance.now();
  if (since !== null) spent += Math.min(now - since, IDLE_MS);
  since = document.hidden ? null : now;
}

function write() {
  const field = document.querySelector("[data-active-ms]");
  if (field) field.value = String(Math.round(spent));
}

function begin() {
  const shown = document.querySelector("[data-claim]")?.dataset.claim ?? null;
  if (shown === claim) return; // the same card again, with its mistakes marked: its clock goes on
  claim = shown;
  spent = Number(document.querySelector("[data-active-ms]")?.value) || 0;
  since = document.hidden ? null : performance.now();
}

for (const sign of ["pointerdown", "pointermove", "keydown", "wheel", "scroll", "touchstart"]) {
  addEventListener(sign, count, { passive: true, capture: true });
}
document.addEventListener("visibilitychange", count);
// Capture: before htmx reads the form.
addEventListener("submit", () => { count(); write(); }, { capture: true });
document.addEventListener("htmx:after:swap", begin);
begin();
