// Judging with single keys and, on a phone, with one thumb. The form below works without this file: here is only
// which question is current, and what a key presses. Which key does what is the person's own (judge/keymap.js); digits
// are read from where the key is, because AZERTY needs Shift for them.

import { actionOf, isTyping } from "./judge/keymap.js";
import { say } from "./judge/words.js";

const narrow = matchMedia("(max-width: 55.99rem)"); // the bottom sheet of judge.css
const $ = (selector, root = document) => root.querySelector(selector);
let card = null;

const form = () => $("[data-judge-form]");
const questions = () => [...document.querySelectorAll("[data-question]")];
const current = () => $(".question.is-current");
const given = (question) => $(".segment input:checked", question);
const isComplete = (question) => {
  const answer = given(question);
  return Boolean(answer) && (answer.value !== "no" || Boolean($(".reason input:checked", question)));
};
const isBusy = () => Boolean(form()?.dataset.taken);

function announce(words) {
  $("[data-announcer]").textContent = words;
}

/** The next question without an answer, from here on and around; else the first "no" without its reason. */
function nextOpen(from) {
  const all = questions();
  const start = from ? all.indexOf(from) + 1 : 0;
  const turned = [...all.slice(start), ...all.slice(0, start)];
  return turned.find((question) => !given(question)) ?? all.find((question) => !isComplete(question)) ?? null;
}

/** Where an earlier answer is opened to be changed: at its first question, so that keys answer from there on. A phone shows
 *  all of them to choose from. */
function toChange() {
  return $(".is-earlier[data-judge]") && !narrow.matches ? (questions()[0] ?? null) : null;
}

/** Makes a question the current one; null means that all are done and Confirm is next. */
function setCurrent(question, { focus = true } = {}) {
  for (const other of questions()) other.classList.toggle("is-current", other === question);
  if (question && given(question)?.value === "no") setDigits(question);
  if (!focus) return;
  const target = question ? (given(question) ?? $(".segment input", question)) : $("[data-confirm]");
  target?.focus({ preventScroll: true });
  (narrow.matches ? null : question)?.scrollIntoView({ block: "nearest" });
}

/** Digits choose the reasons of this question: the one answered "no" last. */
function setDigits(question) {
  for (const other of questions()) other.classList.toggle("takes-digits", other === question);
}

/** What the compact row of a phone says instead of the three answers. */
function describe(question) {
  const answer = given(question);
  const reasons = question.querySelectorAll(".reason input:checked").length;
  let words = answer ? answer.nextElementSibling.firstChild.textContent.trim() : say("answer");
  if (answer?.value === "no") words = reasons ? say("no-reasons", { answer: words, n: reasons }) : say("no-why", { answer: words });
  $("[data-given]", question).textContent = words;
  $("[data-open]", question).dataset.answer = answer?.value ?? "";
  form().classList.toggle("is-ready", questions().every(isComplete));
}

/** The same by a tap or a key on the one before; on a phone it then lies where that one lay (judge/touch.js). */
function goOn(question, options) {
  setCurrent(question, options);
  if (narrow.matches) document.dispatchEvent(new Event("question:shown"));
}

function answered(question, options) {
  if (given(question)?.value === "no") setDigits(question);
  // A thumb needs the reasons before it goes on; a keyboard reaches them by digit from anywhere.
  if (narrow.matches && !isComplete(question)) setCurrent(question, options);
  else goOn(nextOpen(question), options);
}

function press(answer) {
  const question = current();
  const radio = question && $(`.segment input[value="${answer}"]:enabled`, question);
  if (!radio) return false;
  radio.checked = true;
  radio.dispatchEvent(new Event("change", { bubbles: true }));
  answered(question);
  return true;
}

function toggleReason(digit) {
  const question = $(".question.takes-digits");
  const box = question && given(question)?.value === "no" && $(`[data-digit="${digit}"]:enabled`, question);
  if (!box) return false;
  box.checked = !box.checked;
  box.dispatchEvent(new Event("change", { bubbles: true }));
  if (current() === question && isComplete(question)) setCurrent(nextOpen(question));
  return true;
}

function step(by) {
  const all = questions();
  const at = all.indexOf(current());
  const to = at < 0 ? (by < 0 ? all.length - 1 : 0) : Math.min(Math.max(at + by, 0), all.length - 1);
  setCurrent(all[to]);
}

/** Sends the answers, or goes to the first question that still stands open and says so. */
function confirm() {
  if (!$("[data-confirm]")) return; // a decided one, only to look at
  const open = nextOpen(null);
  if (!open) {
    form().requestSubmit($("[data-confirm]"));
    return;
  }
  setCurrent(open);
  const text = $(".question-text", open).firstChild.textContent.trim();
  announce(say(given(open) ? "choose-reason" : "still-open", { question: text }));
}

function skip() {
  const details = $(".judge:not(.is-earlier) [data-skip]");
  if (!details) return;
  details.open = true;
  details.scrollIntoView({ block: "nearest" });
  $("input", details)?.focus();
}

function toggleHelp() {
  const help = $("[data-help]");
  if (help.open) help.close();
  else help.showModal();
}

function togglePause() {
  const pause = $("[data-pause]");
  if (pause.open) pause.close();
  else pause.showModal();
}

/** Confirms, unless the key presses what has the focus: buttons, links and folds keep theirs. Whether it was ours. */
function confirmWith(event) {
  const { target } = event;
  if (target.closest("[data-skip] fieldset")) $('[data-skip] button[value="skip"]').click();
  else if ([" ", "Enter"].includes(event.key) && target.closest("button, a, summary")) return false;
  else confirm();
  return true;
}

const ACTIONS = {
  yes: () => press("yes"),
  no: () => press("no"),
  unsure: () => press("unsure"),
  back: () => $("[data-back]:not([hidden])")?.click(),
  skip,
  broken: () => $(".judge:not(.is-earlier) [data-broken]")?.click(),
  pause: togglePause,
};
const HELP = ["?", "؟"]; // the same mark on an Arabic keyboard
const MOVES = { Backspace: -1, ArrowUp: -1, ArrowDown: 1 };

/** What a key does on the card; false when it is none of ours. */
function act(event) {
  const { target, key } = event;
  const action = actionOf(event);
  if (action === "confirm") return event.repeat || confirmWith(event);
  // Enter in a field would send the form: half-made, or not at all meant. In a note it is a new line.
  if (key === "Enter") return !target.closest("button, a, summary, textarea, select");
  if (isTyping(target)) return false;
  if (key.startsWith("Arrow") && ($(".stage.is-zoomed") || target.closest("[data-skip]"))) return false; // theirs
  if (Object.hasOwn(MOVES, key)) {
    if (!event.repeat || key !== "Backspace") step(MOVES[key]);
    return true;
  }
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1];
  if (action && Object.hasOwn(ACTIONS, action)) {
    // A key held down answers once, not the whole card.
    return event.repeat || ACTIONS[action]() !== false;
  }
  return !action && digit && !event.repeat ? toggleReason(digit) : false;
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  let done = false;
  if (HELP.includes(event.key) && !isTyping(event.target)) {
    toggleHelp();
    done = true;
  } else if ($("[data-pause][open]")) {
    if (actionOf(event) === "pause" && !event.repeat) {
      togglePause();
      done = true;
    }
  } else if (!$("dialog[open]") && form()) {
    done = isBusy() ? !isTyping(event.target) && event.key.length === 1 : act(event);
    if (isBusy() && event.key === "Enter") done = true;
  }
  if (done) event.preventDefault();
});

document.addEventListener("change", (event) => {
  const question = event.target.closest?.("[data-question]");
  if (question) describe(question);
});

document.addEventListener("focusin", (event) => {
  const question = event.target.closest?.("[data-question]");
  if (question && question !== current()) setCurrent(question, { focus: false });
});

document.addEventListener("click", (event) => {
  const { target } = event;
  if (target.closest("[data-help-open]")) return toggleHelp();
  if (target.closest("[data-pause-open]")) return togglePause();
  if (target.closest("[data-confirm]") && nextOpen(null)) {
    event.preventDefault();
    return confirm();
  }
  const question = target.closest("[data-question]");
  if (!question) return undefined;
  if (target.closest("[data-open]")) return setCurrent(question);
  if (target.closest("[data-next]")) return isComplete(question) ? goOn(nextOpen(question)) : confirm();
  // Arrow keys inside a radio group click too, with detail 0: only a real press goes on to the next question.
  if (target.matches(".segment input") && event.detail > 0) answered(question, { focus: false });
  return undefined;
});

/** Begins a card: after the page has loaded, and each time another one is shown. */
function begin() {
  const shown = $("[data-judge]");
  if (!shown || shown === card) return;
  const isFirst = card === null;
  card = shown;
  questions().forEach(describe);
  const wrong = $(".question .field-error")?.closest("[data-question]");
  if (card.dataset.frozen !== undefined) questions().forEach((question) => question.classList.add("is-still"));
  else if (form()) setCurrent(wrong ?? nextOpen(null) ?? toChange(), { focus: true });
  else $("[data-focus]", card)?.focus();
  if (isFirst) return;
  scrollTo(0, 0);
  announce(card.dataset.announce);
}

document.addEventListener("card:shown", begin);
// An earlier answer was put into the card on the page.
document.addEventListener("card:filled", () => {
  questions().forEach(describe);
  setCurrent(nextOpen(null) ?? toChange());
});
begin();
