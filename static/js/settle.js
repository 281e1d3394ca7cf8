// Settling with single keys, and going through the queue. The forms work without this file: here is only which question
// is current, and what a key presses. Which key does what stands in the page (judge/keymap.js); digits go by place.

import { actionOf } from "./judge/keymap.js";

const $ = (selector, root = document) => root.querySelector(selector);
const form = $("[data-settle]");
const questions = form ? [...form.querySelectorAll("[data-question]")] : [];
const note = form && $("textarea[name=note]", form);
const given = (question) => $(".segment input:checked", question)?.value ?? "";
const needsReason = (question) =>
  given(question) === "no" && Boolean($(".reason", question)) && !$(".reason input:checked", question);
const isComplete = (question) => Boolean(given(question)) && !needsReason(question);
const current = () => $(".question.is-current");
let isSent = false;

function announce(words) {
  $("[data-announcer]").textContent = words;
}

function outcome() {
  const answers = questions.map(given);
  if (answers.includes("no")) return "rejected";
  return answers.every(Boolean) ? "approved" : "";
}

/** Why a note is needed, as the server will see it; "" where it is optional. */
function whyNote() {
  if ("appealed" in form.dataset) return "Say why: whoever appealed reads it.";
  if ("byPerson" in form.dataset) return "Say why: an adjudicator settled it before.";
  const overruled = questions.some(({ dataset }, place) => {
    const answer = given(questions[place]);
    return dataset.majority && answer && answer !== dataset.majority;
  });
  if (overruled) return "Say why: you overrule a majority of the annotators.";
  const { before } = form.dataset;
  return before && outcome() && outcome() !== before ? `Say why: it is ${before} already.` : "";
}

function describe() {
  const is = outcome();
  const isWhole = questions.every(given);
  $("[data-outcome]").textContent = is
    ? `It will be ${is}${isWhole ? "" : ", whatever the open questions say"}. ${whyNote()}`.trim()
    : "Any no rejects it; yes on every question approves it.";
}

function setDigits(question) {
  for (const other of questions) other.classList.toggle("takes-digits", other === question);
}

/** The next question that isn't settled, from here on and around; null when all are. */
function nextOpen(from) {
  const start = from ? questions.indexOf(from) + 1 : 0;
  const turned = [...questions.slice(start), ...questions.slice(0, start)];
  return turned.find((question) => !given(question)) ?? questions.find((question) => !isComplete(question)) ?? null;
}

/** Makes a question the current one; null: all are settled, and the button is next. */
function setCurrent(question, { focus = true } = {}) {
  for (const other of questions) other.classList.toggle("is-current", other === question);
  if (question && given(question) === "no") setDigits(question);
  if (!focus) return;
  const target = question
    ? ($(".segment input:checked", question) ?? $(".segment input", question))
    : $("[data-confirm]", form);
  target.focus({ preventScroll: true });
  (question ?? target).scrollIntoView({ block: "nearest" });
}

function press(value) {
  const question = current();
  const radio = question && $(`.segment input[value="${value}"]`, question);
  if (!radio) return false;
  radio.checked = true;
  radio.dispatchEvent(new Event("change", { bubbles: true }));
  if (radio.value === "no") setDigits(question);
  setCurrent(nextOpen(question));
  return true;
}

function toggleReason(digit) {
  const question = $(".question.takes-digits");
  const box = question && given(question) === "no" && $(`[data-digit="${digit}"]`, question);
  if (!box) return false;
  box.checked = !box.checked;
  box.dispatchEvent(new Event("change", { bubbles: true }));
  if (current() === question && isComplete(question)) setCurrent(nextOpen(question));
  return true;
}

function step(by) {
  const at = questions.indexOf(current());
  const to = at < 0 ? (by < 0 ? questions.length - 1 : 0) : Math.min(Math.max(at + by, 0), questions.length - 1);
  setCurrent(questions[to]);
}

/** What still stands in the way of settling: it is brought into view and said. */
function obstacle() {
  const open = nextOpen(null);
  if (open) {
    setCurrent(open);
    const text = $(".question-text", open).firstChild.textContent.trim();
    announce(given(open) ? `Choose at least one reason: ${text}` : `Still open: ${text}`);
    return true;
  }
  if (whyNote() && !note.value.trim()) {
    describe();
    announce(whyNote());
    note.focus();
    return true;
  }
  return false;
}

function settle() {
  if (!isSent && !obstacle()) form.requestSubmit($("[data-confirm]", form));
}

function undo() {
  const button = $("[data-undo]");
  if (button && !isSent) button.click();
}

function stepQueue(by) {
  const links = [...document.querySelectorAll("[data-queue-item]")];
  const at = links.indexOf(document.activeElement);
  links[at < 0 ? 0 : Math.min(Math.max(at + by, 0), links.length - 1)]?.focus();
}

const isTyping = (target) => Boolean(target.closest('input[type="text"], input[type="search"], textarea, select'));
const toggleKeys = () => {
  const keys = $("[data-key-list]");
  if (keys) keys.open = !keys.open;
};
const ACTIONS = {
  yes: () => press("yes"),
  no: () => press("no"),
  back: () => $("[data-back]")?.click(),
  skip: () => $("[data-later]")?.click(),
  undo,
  note: () => note?.focus(),
};

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.altKey || event.isComposing || $("dialog[open]")) return;
  const { target, key } = event;
  if (target === note) {
    if (key === "Escape") setCurrent(nextOpen(null));
    else if (key === "Enter" && (event.ctrlKey || event.metaKey)) settle();
    else return;
    event.preventDefault();
    return;
  }
  if (event.ctrlKey || event.metaKey || isTyping(target)) return;
  if (key.startsWith("Arrow")) {
    const by = { ArrowUp: -1, ArrowDown: 1 }[key];
    if (!by || $(".stage.is-zoomed")) return; // theirs
    if ($("[data-queue]")) stepQueue(by);
    else if (form) step(by);
    else return;
    event.preventDefault();
    return;
  }
  if (event.repeat) return;
  if (key === "Enter") {
    if (!form || target.closest("button:not([data-confirm]), a, summary")) return;
    event.preventDefault();
    settle();
    return;
  }
  const action = actionOf(event);
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1];
  let done = true;
  if (Object.hasOwn(ACTIONS, action ?? "")) ACTIONS[action]();
  else if (key === "?") toggleKeys();
  else if (form && key === "Backspace") step(-1);
  else done = Boolean(form && digit && toggleReason(digit));
  if (done) event.preventDefault();
});

if (form) {
  form.addEventListener("change", describe);
  form.addEventListener("focusin", (event) => {
    const question = event.target.closest("[data-question]");
    if (question && question !== current()) setCurrent(question, { focus: false });
  });
  form.addEventListener("click", (event) => {
    if (event.target.closest("[data-confirm]") && obstacle()) event.preventDefault();
  });
  form.addEventListener("submit", (event) => {
    if (isSent) event.preventDefault();
    isSent = true;
  });
  // Restored by the browser's Back: it can be sent again.
  addEventListener("pageshow", () => {
    isSent = false;
    describe();
  });
  describe();
  const wrong = $(".question .field-error", form)?.closest("[data-question]");
  if ($("#note-error")) note.focus();
  // Keys answer at once where nothing is open, too: to overturn a decision, or what the majorities say.
  else if (form.dataset.before) setCurrent(questions[0], { focus: false });
  else setCurrent(wrong ?? nextOpen(null) ?? questions[0]);
}
