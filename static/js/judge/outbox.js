// Shows what has not reached the server: a count that is always in view, and each refused answer with its reason.

import * as store from "./store.js";
import { say } from "./words.js";

const $ = (selector, root = document) => root.querySelector(selector);

/** `mend(record)` opens an answer's card again; `sending` is the sender. */
export function makeOutbox({ account, who, slug, mend, changed }) {
  const button = $("[data-outbox-open]");
  const panel = $("[data-outbox-panel]");
  const list = $("[data-outbox-list]");
  let known = "";
  let refusedBefore = 0;

  function look(state, waiting, refused) {
    if (state === "signed-out") return ["signed-out", waiting];
    if (!navigator.onLine || state === "offline") return ["offline", waiting];
    if (refused) return ["refused", refused];
    if (!waiting) return ["sent", 0];
    return [state === "trouble" ? "trouble" : "sending", waiting];
  }

  function entry(record) {
    const shown = document.importNode($("[data-refused-entry]").content, true);
    const item = $("li", shown);
    $("[data-thumb]", item).src = record.thumb;
    $("[data-food]", item).textContent = record.food;
    $("[data-why]", item).textContent = record.refused.why;
    const link = $("[data-mend]", item);
    link.href = `/judge/${record.campaign}/claims/${record.claim}`;
    // What was decided meanwhile, given back, or never was this person's takes no answer however it is mended.
    link.hidden = [404, 409, 410].includes(record.refused.status);
    link.addEventListener("click", (event) => mend(record) && event.preventDefault());
    $("[data-discard]", item).addEventListener("click", () => {
      $("[data-sure]", item).hidden = false;
      $("[data-discard-no]", item).focus();
    });
    $("[data-discard-no]", item).addEventListener("click", () => {
      $("[data-sure]", item).hidden = true;
      $("[data-discard]", item).focus();
    });
    $("[data-discard-yes]", item).addEventListener("click", async () => {
      await store.discard(record);
      changed();
      button.focus();
    });
    return shown;
  }

  /** Draws the state anew; answers what waits. */
  async function draw(state) {
    const all = await store.waitingFor(account);
    const refused = all.filter((record) => record.refused);
    const waiting = all.length - refused.length;
    const [name, n] = look(state, waiting, refused.length);
    const words = say(name, { n });
    button.dataset.mood = name;
    if (words !== known) $("[data-outbox-words]").textContent = words;
    // A count that runs down by itself is no news; that it stopped, or is through, is.
    const news = name === "sending" ? "" : words;
    if (news && news !== known && known !== "") $("[data-outbox-status]").textContent = news;
    known = words;
    $("[data-outbox-why]").textContent = say(`why-${name}`, { who });
    $("[data-sign-in]").hidden = name !== "signed-out";
    const ids = refused.map((record) => record.claim + record.stamp).join();
    if (list.dataset.shown !== ids) {
      list.dataset.shown = ids;
      list.replaceChildren(...refused.map(entry));
    }
    if (refused.length > refusedBefore || (name === "signed-out" && panel.dataset.opened !== name)) open(name);
    refusedBefore = refused.length;
    panel.dataset.opened = name === "signed-out" ? name : "";
    return all;
  }

  async function drawOthers() {
    const others = await store.ofOthers(account);
    $("[data-others]").hidden = others.length === 0;
    $("[data-others-words]").textContent = others.map((other) => say("others", other)).join(" ");
    if (others.length) open();
  }

  function open() {
    panel.hidden = false;
    button.setAttribute("aria-expanded", "true");
  }

  function close() {
    panel.hidden = true;
    button.setAttribute("aria-expanded", "false");
  }

  button.addEventListener("click", () => (panel.hidden ? open() : close()));
  $("[data-outbox-close]").addEventListener("click", () => {
    close();
    button.focus();
  });
  panel.addEventListener("keydown", (event) => event.key === "Escape" && close());
  $("[data-sign-in] a").href = `/sign-in?next=${encodeURIComponent(`/judge/${slug}`)}`;
  return { draw, drawOthers };
}
