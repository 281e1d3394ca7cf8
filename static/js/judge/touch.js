// Two fingers zoom; they never answer. A tap that follows a pinch at once is the pinch's last finger, and one that follows
// a new card or, on a phone, a new question at once is a second tap meant for what lay there before.

const QUIET_MS = 350;
let quietUntil = 0;
let newUntil = 0;

addEventListener(
  "touchstart",
  (event) => {
    if (event.touches.length > 1) quietUntil = Infinity;
  },
  { passive: true, capture: true },
);

function lift(event) {
  if (quietUntil === Infinity && event.touches.length === 0) quietUntil = performance.now() + QUIET_MS;
}

addEventListener("touchend", lift, { passive: true, capture: true });
addEventListener("touchcancel", lift, { passive: true, capture: true });

for (const shown of ["card:shown", "question:shown"]) {
  document.addEventListener(shown, () => {
    newUntil = Infinity; // until it can be seen, however long drawing it takes
    requestAnimationFrame(() => setTimeout(() => (newUntil = performance.now() + QUIET_MS)));
  });
}

for (const kind of ["click", "submit"]) {
  addEventListener(
    kind,
    (event) => {
      // By when it was, not by when a busy page hears of it.
      const isSecondTap = event.pointerType === "touch" && event.timeStamp < newUntil;
      if ((!isSecondTap && performance.now() >= quietUntil) || !event.target.closest?.(".judge")) return;
      event.preventDefault();
      event.stopPropagation();
    },
    { capture: true },
  );
}
