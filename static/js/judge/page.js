// The annotator's page with scripts: Confirm keeps the answers in the browser and shows the next card at once; they are
// sent behind it. Without this file, or where the browser keeps nothing, the form is sent as a plain form.

import { drafts, forget } from "../draft.js";
import { makeDeck } from "./deck.js";
import { fill, read } from "./form.js";
import { makeOutbox } from "./outbox.js";
import { makeSender } from "./sender.js";
import * as store from "./store.js";
import { makeStrip } from "./strip.js";
import "./touch.js";
import { figure, say } from "./words.js";

const REMEMBERED = 24;
const TRY_AGAIN_MS = 5_000;
const $ = (selector, root = document) => root.querySelector(selector);
const root = $("[data-judging]");
const { slug, person: account, name: who } = root.dataset;
const counts = { today: Number(root.dataset.today), total: Number(root.dataset.total), left: Number(root.dataset.left) };
const isOwnPage = location.pathname.includes("/claims/"); // one earlier answer, by its own address
const remembered = new Map(); // claim -> {card, body}: the last cards, to be opened again without the server

let onScreen = cardOnPage(); // the card that is shown; null while there is none
let isUsable = true;
let retry = 0;

const deck = makeDeck({ account, slug, want: Number(root.dataset.ready), first: onScreen, loaded: drawLoaded });
const sender = makeSender({ account, changed: redraw });
const strip = makeStrip({ account, slug, open: openEarlier });
const outbox = makeOutbox({ account, who, slug, changed: redraw, mend: ({ claim, campaign }) => campaign === slug && openEarlier(claim, "refused") });
const tabs = new BroadcastChannel(`terroir-answers-${account}`);

function cardOnPage() {
  const article = $("[data-judge][data-claim]");
  if (!article) return null;
  const template = document.createElement("template");
  template.content.append(article.cloneNode(true));
  const { claim, image, thumb, references } = article.dataset;
  return { claim, image, extra: [thumb, ...references.split(" ").filter(Boolean)], template };
}

// Drawing.

let drawing = Promise.resolve();

function redraw() {
  drawing = drawing.then(async () => strip.mark(await outbox.draw(sender.state()))).catch(() => {});
  return drawing;
}

function drawCounts() {
  const [today, left, part] = ["[data-today]", "[data-left]", "[data-part]"].map((one) => $(one, root));
  if (!today) return;
  today.textContent = figure(counts.today);
  left.textContent = figure(Math.max(counts.left, 0));
  part.max = Math.max(counts.total + counts.left, 1);
  part.value = counts.total;
}

function drawLoaded(n) {
  $("[data-loaded-words]").textContent = say("loaded", { n });
  root.dataset.loaded = n;
}

function put(article, announcement) {
  article.dataset.announce = announcement;
  root.replaceChildren(article);
  drawCounts();
  strip.markCurrent(article.dataset.claim);
  document.dispatchEvent(new Event("card:shown"));
}

function present(card, body = null) {
  onScreen = card;
  const article = deck.draw(card);
  const form = $("[data-judge-form]", article);
  form.reset();
  if (body) {
    article.classList.add("is-earlier");
    article.classList.toggle("is-skipped", !body.answers);
    if (body.answers) fill(form, body);
  }
  put(article, `${body ? say(body.answers ? "earlier" : "skipped") : say("next", { n: counts.today })} ${article.dataset.announce}`);
}

function presentNone(name) {
  onScreen = null;
  const article = document.importNode($("[data-waiting-card]").content, true).querySelector("[data-judge]");
  $("[data-waiting-words]", article).textContent = say(name);
  $("[data-waiting-more]", article).textContent = say(`${name}-more`);
  put(article, `${say(name)}. ${say(`${name}-more`)}`);
}

// The next card.

function next() {
  const card = deck.take();
  if (card) present(card);
  else presentNone("loading");
  return refill();
}

let refilling = null;
let isAskedAgain = false;

/** Asks for the cards that are missing; while it is at it, once more after that. */
function refill() {
  isAskedAgain = true;
  refilling ??= (async () => {
    while (isAskedAgain) {
      isAskedAgain = false;
      await refillOnce();
    }
  })().finally(() => (refilling = null));
  return refilling;
}

/** Once nothing more can be sent for now, so that the server knows what this page knows. */
async function refillOnce() {
  clearTimeout(retry);
  await sender.kick();
  const ownWaiting = async () => (await store.waitingFor(account)).filter((record) => record.campaign === slug);
  const found = await deck.refill((await ownWaiting()).map((record) => record.claim));
  const waiting = (await ownWaiting()).filter((record) => !record.refused); // what was answered meanwhile among it
  if (found.status === 200) {
    const fresh = waiting.filter((record) => record.action === "judgment" && !record.isChange).length;
    Object.assign(counts, {
      today: Number(found.counts.today) + fresh,
      total: Number(found.counts.total) + fresh,
      left: Number(found.counts.left) - fresh,
    });
    strip.show(found.strip);
  }
  if (!onScreen) {
    const card = deck.take();
    if (!card && found.n) isAskedAgain = true; // they have gone to another tab meanwhile
    if (card) {
      present(card);
      deck.ahead();
    } else if (isAskedAgain) return; // what was found is out of date
    else if (found.status === 200 && !waiting.length) {
      const article = document.importNode(found.nothing.content, true).querySelector("[data-judge]");
      put(article, article.dataset.announce);
    } else presentNone(sender.state() === "signed-out" || found.status === 401 ? "none-signed-out" : "none-offline");
  }
  drawCounts();
  await redraw();
  strip.markCurrent(onScreen?.claim);
  if (found.status !== 200 || waiting.length) retry = setTimeout(refill, TRY_AGAIN_MS);
}

// Answering.

async function take(form, action) {
  const article = form.closest("[data-judge]");
  const { claim, thumb, food } = article.dataset;
  const isSkip = action === "skip" || action === "broken";
  const reason = action === "broken" ? "broken_image" : form.elements.skip_reason?.value;
  const wasSkipped = article.classList.contains("is-skipped");
  const isChange = article.classList.contains("is-earlier") && !wasSkipped;
  const body = isSkip ? { reason } : read(form);
  form.dataset.taken = "true";
  try {
    await store.keep({ account, who, campaign: slug, claim, action: isSkip ? "skip" : "judgment", body, thumb, food, isChange });
  } catch {
    delete form.dataset.taken;
    $("[data-announcer]").textContent = say("not-kept");
    isUsable = false; // the plain form is the way then
    form.requestSubmit($(`[name="action"][value="${action}"]`, form));
    return;
  }
  tabs.postMessage(claim);
  forget(claim);
  document.dispatchEvent(new CustomEvent("card:taken", { detail: claim }));
  remember(claim, body);
  if (!isChange) {
    if (!wasSkipped) counts.left -= 1;
    if (!isSkip) {
      counts.today += 1;
      counts.total += 1;
    }
  }
  await redraw(); // before the next card, so that the count is never behind
  deck.done(claim);
  onScreen = null; // from here to the next card nothing waits: nobody else may show one in between
  next();
}

function remember(claim, body) {
  const card = onScreen;
  if (card?.claim !== claim) return;
  remembered.delete(claim);
  remembered.set(claim, { card, body });
  for (const old of [...remembered.keys()].slice(0, -REMEMBERED)) remembered.delete(old);
}

/** Shows an earlier answer again; false when its card has to come from the server. */
function openEarlier(claim, state) {
  const found = remembered.get(claim);
  if (!found || state === "frozen") return false;
  store.find(account, claim).then((record) => {
    if (onScreen && !$("[data-judge]").classList.contains("is-earlier")) deck.putBack(onScreen);
    present(found.card, record?.body ?? found.body);
  });
  return true;
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!isUsable || !form.matches("[data-judge-form]")) return;
  event.preventDefault();
  if (!form.dataset.taken) take(form, event.submitter?.value ?? "confirm");
});

document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-leave-it]")) next();
});

// Coming and going.

tabs.addEventListener("message", async ({ data: claim }) => {
  remembered.delete(claim); // what was answered there is newer
  deck.drop(claim);
  await redraw();
  if (onScreen?.claim === claim && !$("[data-judge]").classList.contains("is-earlier")) next();
});

addEventListener("pagehide", () => deck.leave(drafts()));
addEventListener("pageshow", async (event) => {
  if (!event.persisted) return;
  const isMine = await deck.comeBack();
  const record = onScreen && (await store.find(account, onScreen.claim));
  if (record || !isMine) next();
  else refill();
});
addEventListener("online", () => refill());

async function begin() {
  try {
    await store.open();
  } catch {
    isUsable = false; // no database, for instance in some private windows
    $("[data-outbox-open]").hidden = true;
    return;
  }
  const record = onScreen && (await store.find(account, onScreen.claim));
  if (record?.body.answers && isOwnPage && !("frozen" in $("[data-judge]").dataset)) {
    const form = $("[data-judge-form]");
    $("[data-judge]").classList.add("is-earlier");
    fill(form, record.body);
    document.dispatchEvent(new Event("card:filled"));
  } else if (onScreen && !isOwnPage && (record || !(await deck.own(onScreen.claim)))) {
    onScreen = null;
    deck.done(deck.take()?.claim);
    presentNone("loading");
  }
  await redraw();
  outbox.drawOthers();
  await refill();
  await deck.beat();
}

begin();
