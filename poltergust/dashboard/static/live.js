// Live without reloading: the server says that something changed, the page's changing part is fetched and put in place.
// Its markup is the server's, made by templates that escape everything; nothing here makes markup of text.
import { Idiomorph } from "./vendor/idiomorph.js";

const LEAST_MILLISECONDS_BETWEEN = 1000;

const sign = document.getElementById("live");
let fetching = false;
let again = false;
let last = 0;

function show(state, words) {
  if (!sign) return;
  sign.dataset.state = state;
  sign.querySelector(".words").textContent = words;
}

// Fetch the changing part of what the address names now; called while it is fetched, once more after that.
export async function refresh() {
  if (fetching) {
    again = true;
    return;
  }
  fetching = true;
  try {
    do {
      again = false;
      last = performance.now();
      const answer = await fetch(location.href, { headers: { "X-Poltergust-Fragment": "main" } });
      // What the server could not make is not put in the place of what is there.
      if (answer.status < 500) morph(await answer.text());
      else show("lost", "out of date");
    } while (again);
  } catch {
    show("lost", "connection lost");
  } finally {
    fetching = false;
  }
}

function morph(html) {
  const main = document.getElementById("main");
  Idiomorph.morph(main, html, {
    morphStyle: "innerHTML",
    ignoreActiveValue: true,
    restoreFocus: true,
    callbacks: {
      // What a person opened or closed stays so; what a script draws is the script's.
      beforeAttributeUpdated: (name, element) => !(name === "open" && element.tagName === "DETAILS"),
      beforeNodeMorphed: (element) => !(element.dataset?.drawn !== undefined),
    },
  });
  document.dispatchEvent(new CustomEvent("poltergust:refreshed"));
}

export function stayLive() {
  const { topic, signature } = document.body.dataset;
  if (!topic) return;
  let source = null;
  let due = 0;

  function connect() {
    // `since` is what the page showed when it was loaded: a change that happened before the connection is told at once.
    source = new EventSource(`/events?topic=${encodeURIComponent(topic)}&since=${signature}`);
    source.addEventListener("open", () => show("live", "live"));
    source.addEventListener("error", () => show("lost", "connection lost"));
    source.addEventListener("changed", () => {
      clearTimeout(due);
      due = setTimeout(refresh, Math.max(0, last + LEAST_MILLISECONDS_BETWEEN - performance.now()));
    });
  }

  // A browser has six connections for all its tabs of one host: a tab that nobody sees gives its own up.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      source?.close();
      source = null;
      show("still", "paused");
    } else if (source === null) {
      connect();
      refresh();
    }
  });
  addEventListener("pagehide", () => source?.close());
  connect();
}
