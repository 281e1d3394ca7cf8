// Keeps what is answered but not yet sent: a reload, a wrong Back or a crashed tab gives the same card with the same
// answers. Loaded before keys.js, which then goes on from the first open question.

const KEY = "terroir-draft";
const KEPT = /^(answer|reason|correction)\.|^note$/;
const form = () => document.querySelector("[data-judge-form]");
const claimOf = (shown) => shown.elements.claim_id.value;

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

function save(event) {
  const shown = event.target.form;
  if (!shown?.matches("[data-judge-form]")) return;
  const fields = [...new FormData(shown)].filter(([name]) => KEPT.test(name));
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ claim: claimOf(shown), fields }));
  } catch {
    // Storage can be full or forbidden; the answers are on the screen all the same.
  }
}

/** Puts the kept answers back, unless the server has sent the form with answers in it already. */
function restore() {
  const shown = form();
  const { claim, fields } = read();
  if (!shown || claim !== claimOf(shown) || shown.querySelector("input:is([name^='answer.'], [name^='reason.']):checked")) return;
  for (const [name, value] of fields) {
    for (const control of shown.querySelectorAll(`[name="${CSS.escape(name)}"]`)) {
      if (control.type !== "radio" && control.type !== "checkbox") control.value = value;
      else if (control.value === value) control.checked = true;
    }
  }
}

document.addEventListener("change", save);
document.addEventListener("input", save);
document.addEventListener("htmx:after:swap", restore);
restore();
