// The guidelines stay as the person left them: pinned beside every card, or folded away.

import { actionOf } from "./judge/keymap.js";

const KEY = "terroir-guide";
const guide = () => document.querySelector("[data-guide]");

function isPinned() {
  try {
    return localStorage.getItem(KEY) === "open";
  } catch {
    return false;
  }
}

function show() {
  const shown = guide();
  if (shown) shown.open = isPinned();
}

// Each card brings its own; "toggle" does not bubble, so it is caught on its way down.
document.addEventListener(
  "toggle",
  (event) => {
    if (!event.target.matches?.("[data-guide]")) return;
    try {
      localStorage.setItem(KEY, event.target.open ? "open" : "closed");
    } catch {
      // It then holds for this card.
    }
  },
  true,
);

document.addEventListener("keydown", (event) => {
  const shown = guide();
  if (!shown || document.querySelector("dialog[open]") || event.repeat || actionOf(event) !== "guide") return;
  event.preventDefault();
  shown.open = !shown.open;
});

document.addEventListener("card:shown", show);
show();
