// Runs before the page is drawn, so that a chosen theme does not flash. Without a choice the system's counts.
const chosen = (() => {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null; // storage is switched off
  }
})();
if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
