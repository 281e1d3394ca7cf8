// Says in one sentence that a request failed, or isn't sent while offline. The page keeps what was typed: nothing is
// swapped on these statuses.
const banner = document.querySelector("[data-trouble]");
const words = banner.querySelector("[data-trouble-words]");

const say = (sentence) => {
  banner.hidden = false;
  words.textContent = sentence; // after un-hiding, so that role=alert is read out
};

// A poll or a heartbeat that fails is tried again by itself and costs nobody any work.
const matters = (element) => !element?.closest?.("[data-background]");

const forStatus = (status) => {
  if (status === 401) return banner.dataset.signedOut;
  if (status === 403) return banner.dataset.refused;
  if (status === 429) return banner.dataset.busy;
  return status >= 500 ? banner.dataset.server : null; // 409, 410 and 422 bring their own page or fields
};

document.addEventListener("htmx:error", (event) => {
  if (matters(event.target) && event.detail.ctx && !event.detail.ctx.response) say(banner.dataset.offline);
});

document.addEventListener("htmx:before:response", (event) => {
  if (!matters(event.target)) return;
  const { ctx } = event.detail;
  const sentence = forStatus(ctx.response.status);
  if (!sentence) {
    banner.hidden = true;
    return;
  }
  ctx.swap = "none"; // an error page must not replace a form with answers in it
  say(sentence);
});

// On the window, so that it comes last: the judging page keeps its answers by itself, and htmx has its own way.
addEventListener("submit", (event) => {
  if (event.defaultPrevented || navigator.onLine) return;
  event.preventDefault(); // the browser's own page would take this one's place
  say(banner.dataset.offline);
});

banner.querySelector("[data-trouble-close]").addEventListener("click", () => {
  banner.hidden = true;
});
