// Choosing among candidates with single keys: digits choose, 0 means none, Enter confirms, B goes back, U undoes. The
// page works without this file.

const typing = 'input:not([type="radio"]), textarea, select';
const form = document.querySelector("[data-choose]");
let isSent = false;

function choose(place) {
  const radios = [...(form?.querySelectorAll(".candidates input[type=radio]:not(:disabled)") ?? [])];
  const radio = place === 0 ? form?.querySelector('input[value="none"]:not(:disabled)') : radios[place - 1];
  if (!radio) return;
  radio.checked = true;
  radio.focus();
  document.querySelector("[data-announcer]").textContent =
    place === 0 ? "None is faithful. Enter confirms." : `Candidate ${place} is chosen. Enter confirms.`;
}

function confirm() {
  if (isSent) return;
  if (!form.querySelector("input[type=radio]:checked")) {
    document.querySelector("[data-announcer]").textContent = "Choose an image, or 0 for none.";
    return;
  }
  form.requestSubmit();
}

form?.addEventListener("submit", (event) => {
  if (isSent) event.preventDefault();
  isSent = true;
});

addEventListener("pageshow", () => {
  isSent = false;
});

document.addEventListener("keydown", (event) => {
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.isComposing && !event.repeat;
  if (!isPlain || event.target.closest?.(typing)) return;
  const key = event.key.toLowerCase();
  if (/^\d$/.test(key)) choose(Number(key));
  else if (key === "enter" && form && !event.target.closest?.("a, button, summary")) {
    event.preventDefault();
    confirm();
  } else if (key === "b") document.querySelector("[data-back]")?.click();
  else if (key === "u") document.querySelector("[data-undo]")?.requestSubmit();
});
