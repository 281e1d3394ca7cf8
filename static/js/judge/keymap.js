// Which action a key means for this person. Letters are read from what the key types (AZERTY, Dvorak); a keyboard that
// types no Latin letters goes by where the key is.

const own = document.querySelector("[data-keys]")?.dataset.keys;
const actions = new Map(Object.entries(JSON.parse(own ?? "{}")).map(([action, key]) => [key, action]));

export const isTyping = (target) => Boolean(target.closest?.('input[type="text"], textarea, select'));

/** A key as it is kept: "y", "Enter", "Space". */
export function nameOf(event) {
  if (event.key === " ") return "Space";
  return event.key.length === 1 ? event.key.toLowerCase().normalize("NFC") : event.key;
}

/** The action, or null: also while somebody types, or holds Ctrl, Alt or the like. */
export function actionOf(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isTyping(event.target)) return null;
  const name = nameOf(event);
  const found = actions.get(name);
  if (found || name.length !== 1 || name.charCodeAt(0) < 128) return found ?? null;
  if (/\p{Script=Latin}/u.test(name)) return null;
  const place = /^Key([A-Z])$/.exec(event.code)?.[1].toLowerCase();
  return actions.get(place) ?? null;
}
