// A field for a key takes the next key that is pressed, whatever it is. Without this file the key is typed.

import { nameOf } from "./keymap.js";

document.addEventListener("keydown", (event) => {
  const field = event.target.closest?.("[data-key-field]");
  if (!field || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const name = nameOf(event);
  if (["Tab", "Escape", "Shift", "CapsLock", "Dead", "Process"].includes(name)) return;
  if (name.length > 1 && name !== "Enter" && name !== "Space") return;
  event.preventDefault();
  field.value = name;
  field.dispatchEvent(new Event("input", { bubbles: true }));
});

document.addEventListener("focusin", (event) => event.target.matches("[data-key-field]") && event.target.select());
