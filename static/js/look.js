// A reference photograph in full, over the page; R steps through them. Without this file the link opens a new tab.
const dialog = document.querySelector("[data-look-dialog]");
const image = dialog.querySelector("[data-look-image]");
const words = dialog.querySelector("[data-look-words]");
const links = () => [...document.querySelectorAll("[data-look]")];

function show(link) {
  image.src = link.href;
  image.alt = link.querySelector("img").alt;
  words.textContent = link.dataset.look;
  if (!dialog.open) dialog.showModal();
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
  if (event.key.toLowerCase() !== "r" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest('input[type="text"], textarea, select')) return;
  if (document.querySelector("dialog[open]") && !dialog.open) return;
  const all = links();
  const next = dialog.open ? all.findIndex((link) => link.href === image.src) + 1 : 0;
  if (next < all.length) show(all[next]);
  else dialog.close();
});
