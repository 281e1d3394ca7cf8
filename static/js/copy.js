// Copies the text of a box. Without this file the box can still be selected: its button stays hidden.
for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  const box = document.getElementById(button.dataset.copy);
  const said = button.parentElement.querySelector("[data-copied]");
  try {
    await navigator.clipboard.writeText(box.value);
    said.textContent = "Copied.";
  } catch {
    box.select(); // no leave to write to the clipboard, or no https: the person's own Ctrl+C works
    said.textContent = "Selected: press Ctrl+C, or ⌘C on a Mac.";
  }
});
