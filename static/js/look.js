// A reference photograph in full beside the image, zoomed together; R steps through them. Without this file the link
// opens a new tab.
import { actionOf } from "./judge/keymap.js";

const dialog = document.querySelector("[data-look-dialog]");
const image = dialog.querySelector("[data-look-image]");
const judged = dialog.querySelector("[data-look-judged]");
const words = dialog.querySelector("[data-look-words]");
const links = () => [...document.querySelectorAll("[data-look]")];

const follow = (picture) => picture.dispatchEvent(new Event("zoom:follow", { bubbles: true }));

function show(link) {
  const shown = document.querySelector(":is(.judge, .item) [data-zoom-image]");
  judged.src = shown.currentSrc || shown.src;
  judged.alt = shown.alt;
  image.src = link.href;
  image.alt = link.querySelector("img").alt;
  words.textContent = link.dataset.look;
  if (!dialog.open) dialog.showModal();
  for (const picture of [judged, image]) {
    const stage = picture.closest("[data-zoom]");
    follow(stage);
    picture.decode().then(() => follow(stage), () => {});
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-look]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    show(link);
  } else if (event.target === dialog) {
    dialog.close(); // a click beside the picture
  }
});

document.addEventListener("keydown", (event) => {
  if (event.repeat || actionOf(event) !== "reference") return;
  if (document.querySelector("dialog[open]") && !dialog.open) return;
  event.preventDefault();
  const all = links();
  const next = dialog.open ? all.findIndex((link) => link.href === image.src) + 1 : 0;
  if (next < all.length) show(all[next]);
  else dialog.close();
});

// Another card: its photographs are other ones.
document.addEventListener("card:shown", () => dialog.close());
