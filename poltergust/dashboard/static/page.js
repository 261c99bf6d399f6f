// What every page does: stays live, counts ages, filters while one types, keyboard shortcuts, theme.
import "./session.js";
import { refresh, stayLive } from "./live.js";

const main = document.getElementById("main");

function theme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem("theme", next);
  } catch {
    // Storage is switched off: the choice lasts for this page.
  }
}

function span(seconds) {
  if (seconds < 100) return `${Math.floor(seconds)}s`;
  if (seconds < 6000) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86400)}d`;
}

// Ages go on by the server's clock: each element says what that was when the page was made.
const made = new WeakMap();
function countAges() {
  for (const element of document.querySelectorAll("time[data-ago]")) {
    const now = element.dataset.now;
    let seen = made.get(element);
    if (seen?.now !== now) made.set(element, (seen = { now, at: performance.now() }));
    const passed = (performance.now() - seen.at) / 1000;
    const text = span(Math.max(0, Number(now) + passed - Number(element.dataset.ago))) + (element.dataset.suffix ?? "");
    if (element.textContent !== text) element.textContent = text;
  }
}

let typing;
function filterWhileTyping(event) {
  const form = event.target.closest("form[data-live-filter]");
  if (!form) return;
  clearTimeout(typing);
  typing = setTimeout(() => {
    const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    history.replaceState(null, "", `${location.pathname}${query.size ? `?${query}` : ""}`);
    refresh();
  }, 250);
}

function shortcut(event) {
  const writing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "Escape" && writing) writing.blur();
  if (writing || event.ctrlKey || event.metaKey || event.altKey) return;
  const field = document.querySelector(`[data-shortcut="${CSS.escape(event.key)}"]`);
  if (field) {
    event.preventDefault();
    field.focus();
  }
}

// A log that is looked at to its end stays there while it grows.
const ends = new WeakMap();
function follow() {
  for (const log of document.querySelectorAll("[data-follow]")) {
    if (ends.get(log) ?? true) log.scrollTop = log.scrollHeight;
    if (ends.has(log)) continue;
    ends.set(log, true);
    log.addEventListener("scroll", () => ends.set(log, log.scrollHeight - log.scrollTop - log.clientHeight < 40));
  }
}

// A bar of a drawing leads where its row in the list does; who uses no mouse has the list.
function openBar(event) {
  const bar = event.target.closest("[data-href]");
  if (bar) location.assign(bar.dataset.href);
}

document.getElementById("theme").addEventListener("click", theme);
main.addEventListener("click", openBar);
main.addEventListener("input", filterWhileTyping);
document.addEventListener("keydown", shortcut);
setInterval(countAges, 1000);
document.addEventListener("poltergust:refreshed", follow);
follow();
stayLive();
