// The watching page follows what happens: the server says that something is new, and htmx fetches the part that changes.
// Without this file the page is as new as its last load.

const line = document.querySelector("[data-stream]");
const words = line.querySelector("[data-live]");
const shown = () => document.querySelector("[data-watch]");

const RETRY_MS = 5_000;
const REST = 4; // so many times as long as the last look took, nothing is asked for: a big campaign is looked at less often
const MOST_REST_MS = 2_000;

let stream = null;
let latest = null;
let isAsking = false;
let retry = 0;

const say = (sentence) => {
  if (words.textContent !== sentence) words.textContent = sentence;
};

function ask() {
  if (isAsking || latest === null || latest === shown().dataset.mark) return;
  isAsking = true;
  const start = performance.now();
  const rest = () => {
    setTimeout(() => {
      isAsking = false;
      ask();
    }, Math.min(REST * (performance.now() - start), MOST_REST_MS));
  };
  document.addEventListener("htmx:finally:request", rest, { once: true });
  shown().dispatchEvent(new Event("watch:new"));
}

function open() {
  clearTimeout(retry);
  stream?.close();
  stream = new EventSource(line.dataset.stream);
  stream.addEventListener("watch", (event) => {
    say(words.dataset.wordsLive);
    latest = JSON.parse(event.data).mark;
    ask();
  });
  stream.addEventListener("error", () => {
    say(words.dataset.wordsAway);
    stream.close(); // by itself it would not come back after an answer such as “too many”
    retry = setTimeout(open, RETRY_MS);
  });
}

function shut() {
  clearTimeout(retry);
  stream?.close();
}

// A page nobody looks at takes no place among the streams, and may go into the browser's memory of pages.
document.addEventListener("visibilitychange", () => (document.hidden ? shut() : open()));
addEventListener("pagehide", shut);
addEventListener("pageshow", (event) => event.persisted && open());
open();
