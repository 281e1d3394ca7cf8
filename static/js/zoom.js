// Zoom and pan of the image in its own frame: click, wheel, pinch, drag, keys. Frames marked as a pair move together,
// so that the image and its reference show the same place at the same size. It only moves pictures; nothing here can
// answer or send.

import { actionOf, isTyping } from "./judge/keymap.js";

const MOST = 8;
const STEP = 1.25;
const views = new WeakMap(); // stage -> {scale, x, y}, x and y in pixels of the frame
const fingers = new Map(); // pointerId -> {x, y}
let gesture = null;

const viewOf = (stage) => {
  if (!views.has(stage)) views.set(stage, { scale: 1, x: 0, y: 0 });
  return views.get(stage);
};

function place(stage) {
  const view = viewOf(stage);
  const { clientWidth: width, clientHeight: height } = stage;
  view.scale = Math.min(Math.max(view.scale, 1), MOST);
  view.x = Math.min(0, Math.max(view.x, width * (1 - view.scale))); // never drag the picture out of its frame
  view.y = Math.min(0, Math.max(view.y, height * (1 - view.scale)));
  const isZoomed = view.scale > 1.001;
  stage.querySelector("img").style.transform = isZoomed
    ? `translate(${view.x}px, ${view.y}px) scale(${view.scale})`
    : "";
  stage.classList.toggle("is-zoomed", isZoomed);
  stage.querySelector("[data-zoom-toggle]")?.setAttribute("aria-pressed", String(isZoomed));
}

/** Where the picture lies in its frame while nothing is zoomed: {x, y, width, height}. */
function fitted(stage) {
  const { clientWidth, clientHeight } = stage;
  const { naturalWidth, naturalHeight } = stage.querySelector("img");
  const ratio = Math.min(clientWidth / (naturalWidth || 1), clientHeight / (naturalHeight || 1));
  const [width, height] = naturalWidth ? [naturalWidth * ratio, naturalHeight * ratio] : [clientWidth, clientHeight];
  return { x: (clientWidth - width) / 2, y: (clientHeight - height) / 2, width, height };
}

/** Gives a frame the view of another: the same factor, and in the middle the same point of the picture. */
function follow(stage, leader) {
  if (!stage.clientWidth || !leader.clientWidth) return;
  const [from, to] = [fitted(leader), fitted(stage)];
  const { scale, x, y } = viewOf(leader);
  const u = ((leader.clientWidth / 2 - x) / scale - from.x) / from.width;
  const v = ((leader.clientHeight / 2 - y) / scale - from.y) / from.height;
  views.set(stage, {
    scale,
    x: stage.clientWidth / 2 - (to.x + u * to.width) * scale,
    y: stage.clientHeight / 2 - (to.y + v * to.height) * scale,
  });
  place(stage);
}

const others = (stage) =>
  stage.hasAttribute("data-zoom-pair") ? [...document.querySelectorAll("[data-zoom-pair]")].filter((one) => one !== stage) : [];

function paint(stage) {
  place(stage);
  for (const other of others(stage)) follow(other, stage);
}

/** Magnifies by a factor and keeps the given point of the frame where it is. */
function magnify(stage, factor, x, y) {
  const view = viewOf(stage);
  const scale = Math.min(Math.max(view.scale * factor, 1), MOST);
  const ratio = scale / view.scale;
  view.x = x - (x - view.x) * ratio;
  view.y = y - (y - view.y) * ratio;
  view.scale = scale;
  paint(stage);
}

function reset(stage) {
  views.set(stage, { scale: 1, x: 0, y: 0 });
  paint(stage);
}

const center = (stage) => [stage.clientWidth / 2, stage.clientHeight / 2];

function toggle(stage, x, y) {
  if (viewOf(stage).scale > 1.001) reset(stage);
  else magnify(stage, 2.5, x, y);
}

function inside(stage, event) {
  const box = stage.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

const stageOf = (event) => event.target.closest?.("[data-zoom]");

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-zoom-toggle]");
  if (button) {
    const stage = button.closest("[data-zoom]");
    toggle(stage, ...center(stage));
  }
});

document.addEventListener(
  "wheel",
  (event) => {
    const stage = stageOf(event);
    // Where the page itself scrolls, the wheel belongs to the page unless the picture is zoomed or Ctrl is held.
    const pageScrolls = document.documentElement.scrollHeight > innerHeight + 1;
    if (!stage || (pageScrolls && !event.ctrlKey && !stage.classList.contains("is-zoomed"))) return;
    event.preventDefault();
    magnify(stage, Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.002)), ...inside(stage, event));
  },
  { passive: false },
);

document.addEventListener("pointerdown", (event) => {
  const stage = stageOf(event);
  if (!stage || event.target.closest("button") || event.button > 0) return;
  fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  gesture = { stage, moved: fingers.size > 1 || Boolean(gesture?.moved && fingers.size > 1), touch: event.pointerType === "touch" };
  if (fingers.size > 1 || stage.classList.contains("is-zoomed")) stage.setPointerCapture(event.pointerId);
});

document.addEventListener("pointermove", (event) => {
  const last = fingers.get(event.pointerId);
  if (!last || !gesture) return;
  const { stage } = gesture;
  const now = { x: event.clientX, y: event.clientY };
  const view = viewOf(stage);
  if (fingers.size === 2) {
    const other = [...fingers.entries()].find(([id]) => id !== event.pointerId)[1];
    const before = Math.hypot(last.x - other.x, last.y - other.y) || 1;
    const after = Math.hypot(now.x - other.x, now.y - other.y);
    const box = stage.getBoundingClientRect();
    magnify(stage, after / before, (now.x + other.x) / 2 - box.left, (now.y + other.y) / 2 - box.top);
    gesture.moved = true;
  } else if (stage.classList.contains("is-zoomed")) {
    view.x += now.x - last.x;
    view.y += now.y - last.y;
    stage.classList.add("is-dragging");
    paint(stage);
  }
  if (Math.hypot(now.x - last.x, now.y - last.y) > 3) gesture.moved = true;
  fingers.set(event.pointerId, now);
});

function lift(event) {
  if (!fingers.delete(event.pointerId) || !gesture) return;
  if (fingers.size > 0) return;
  const { stage, moved } = gesture;
  gesture = null;
  stage.classList.remove("is-dragging");
  if (event.type === "pointerup" && !moved) toggle(stage, ...inside(stage, event));
}

document.addEventListener("pointerup", lift);
document.addEventListener("pointercancel", lift);
document.addEventListener("dragstart", (event) => stageOf(event) && event.preventDefault());

const PAN = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/** The frame that keys move: in the open dialog, else on the card. */
const keyed = () => (document.querySelector("dialog[open]") ?? document).querySelector("[data-zoom]");

document.addEventListener("keydown", (event) => {
  const stage = keyed();
  if (!stage || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  const view = viewOf(stage);
  const isZoomed = stage.classList.contains("is-zoomed");
  const { key } = event;
  if (actionOf(event) === "zoom") {
    if (!event.repeat) toggle(stage, ...center(stage));
  } else if (key === "+" || key === "=") magnify(stage, STEP, ...center(stage));
  else if (isZoomed && (key === "-" || key === "−")) magnify(stage, 1 / STEP, ...center(stage));
  else if (isZoomed && key === "Escape" && !document.querySelector("dialog[open]")) reset(stage);
  else if (isZoomed && PAN[key]) {
    view.x += PAN[key][0] * 64;
    view.y += PAN[key][1] * 64;
    paint(stage);
  } else return;
  event.preventDefault();
});

// The frames of a dialog have a size only once it is open; a picture, once it is there.
document.addEventListener("zoom:follow", (event) => follow(event.target, document.querySelector(":is(.judge, .item) [data-zoom]")));
addEventListener("resize", () => document.querySelectorAll("[data-zoom]").forEach(place));
