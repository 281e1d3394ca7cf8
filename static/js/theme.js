// Light, dark or as the system says. Runs before the first paint; the buttons are bound by delegation, so it needs no DOM.
(() => {
  const root = document.documentElement;
  const KEY = "terroir-theme";
  root.classList.add("js");

  const read = () => {
    try {
      return localStorage.getItem(KEY) || "auto";
    } catch {
      return "auto"; // storage can be forbidden; the system's theme is fine then
    }
  };

  const show = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === theme));
    }
  };

  show(read());
  document.addEventListener("DOMContentLoaded", () => show(read()));
  addEventListener("storage", (event) => event.key === KEY && show(read())); // another tab chose
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-theme-choice]");
    if (!button) return;
    const theme = button.dataset.themeChoice;
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // The choice then lasts as long as this page.
    }
    show(theme);
  });
})();
