// Keeps what is answered but not yet confirmed: a reload, a wrong Back, a closed or crashed tab gives the same card with
// the same answers. Loaded before keys.js, which then goes on from the first open question.

const KEY = "terroir-drafts";
const MOST = 30;
const KEPT = /^(answer|reason|correction)\.|^note$/;
const form = () => document.querySelector("[data-judge-form]");
const claimOf = (shown) => shown.querySelector("[data-draft]")?.dataset.draft ?? shown.elements.claim_id.value;

/** {claim: fields}, the latest last. */
function read() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

function write(kept) {
  try {
    localStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // Storage can be full or forbidden; the answers are on the screen all the same.
  }
}

function save(event) {
  const shown = event.target.form;
  if (!shown?.matches("[data-judge-form]")) return;
  const fields = [...new FormData(shown)].filter(([name, value]) => KEPT.test(name) && value);
  const { [claimOf(shown)]: _, ...others } = read();
  write(Object.fromEntries([...Object.entries(others).slice(1 - MOST), [claimOf(shown), fields]]));
}

/** Puts the kept answers back, unless the form came with answers in it already. */
function restore() {
  const shown = form();
  const fields = shown && read()[claimOf(shown)];
  if (!fields || shown.querySelector("input:is([name^='answer.'], [name^='reason.']):checked")) return;
  for (const [name, value] of fields) {
    for (const control of shown.querySelectorAll(`[name="${CSS.escape(name)}"]`)) {
      if (control.type !== "radio" && control.type !== "checkbox") control.value = value;
      else if (control.value === value) control.checked = true;
    }
  }
}

/** The claims on which something is answered. */
export const drafts = () => Object.keys(read());

export function forget(claim) {
  const { [claim]: _, ...others } = read();
  write(others);
}

document.addEventListener("change", save);
document.addEventListener("input", save);
document.addEventListener("card:shown", restore);
restore();
