// Sends the answers that wait, one after the other, oldest first. One tab does it at a time; each answer is named by
// its claim, so one that is sent twice counts once. What fails for now is tried again, later and later; what the
// server will never take is put aside with its reason.

import * as store from "./store.js";

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
const PATIENCE_MS = 30_000;

/** `changed(state)` is called with "sent", "sending", "offline", "trouble" or "signed-out" whenever it may differ. */
export function makeSender({ account, changed }) {
  let state = "sent";
  let running = null;
  let again = false;
  let pause = 0;
  let timer = 0;

  function become(next) {
    state = next;
    changed(state);
  }

  async function send(record) {
    const address = `/api/v1/claims/${record.claim}`;
    const isSkip = record.action === "skip";
    return fetch(isSkip ? address : `${address}/judgment`, {
      method: isSkip ? "DELETE" : "PUT",
      headers: { "content-type": "application/json", accept: "application/json", "terroir-account": account },
      body: JSON.stringify(record.body),
      credentials: "same-origin",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  }

  /** Whether to go on with the next answer. */
  async function sendOne(record) {
    let reply;
    try {
      reply = await send(record);
    } catch {
      await store.note(record, { tries: record.tries + 1 });
      later();
      become("offline"); // whatever lies between here and the server, it never arrived
      return false;
    }
    if (reply.ok) {
      await store.arrived(record);
    } else if (reply.status === 401 || reply.status === 403) {
      become("signed-out"); // signing in, here or in another tab, starts it again
      return false;
    } else if (reply.status >= 500 || reply.status === 429 || reply.status === 408) {
      await store.note(record, { tries: record.tries + 1 });
      later(Number(reply.headers.get("retry-after")) * 1000 || 0);
      become("trouble");
      return false;
    } else if (record.action === "skip") {
      await store.discard(record); // the claim has ended otherwise: there is nothing left to skip, and nothing is lost
    } else {
      const problem = await reply.json().catch(() => ({}));
      await store.note(record, { refused: { status: reply.status, why: problem.detail ?? reply.statusText } });
    }
    pause = 0;
    changed(state);
    return true;
  }

  async function sendAll() {
    for (;;) {
      const record = (await store.waitingFor(account)).find((one) => !one.refused);
      if (!record) return become("sent");
      if (state === "sent") become("sending");
      if (!(await sendOne(record))) return undefined;
      if (state !== "sending") become("sending");
    }
  }

  function later(minimum = 0) {
    pause = Math.min(Math.max(pause * 2, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
    clearTimeout(timer);
    timer = setTimeout(kick, Math.max(minimum, pause * (0.75 + Math.random() / 2)));
  }

  const alone = (work) =>
    navigator.locks ? navigator.locks.request(`terroir-send-${account}`, work) : work();

  /** Starts sending, unless it is under way; resolves when nothing waits any more, or nothing can be sent for now. */
  function kick() {
    clearTimeout(timer);
    again = true;
    running ??= (async () => {
      while (again) {
        again = false;
        await alone(sendAll).catch(() => later());
      }
      running = null;
    })();
    return running;
  }

  addEventListener("online", () => { pause = 0; kick(); });
  addEventListener("offline", () => changed(state));
  document.addEventListener("visibilitychange", () => document.hidden || kick());
  return { kick, state: () => state };
}
