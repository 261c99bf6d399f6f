// The graph of a run: boxes and edges come as JSON, dagre says where they stand, all of it is drawn as SVG text and
// shapes (never markup from text). While the boxes stay the same, only their colours and counts change.
import dagre from "./vendor/dagre.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 190;
const HEIGHT = 54;
const MARGIN = 8;

let drawn = "";

function element(name, attributes = {}, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

function cut(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

function counts(box) {
  return Object.entries(box.counts).map(([state, count]) => `${count} ${state}`).join(", ");
}

function note(box) {
  return box.family ? counts(box) : `${box.state}: ${box.note}`;
}

function target(box, run) {
  const query = box.family ? { view: "graph", family: box.key } : { q: box.key };
  return `${run}?${new URLSearchParams(query)}`;
}

function drawBox(box, place, run) {
  const link = element("a", { href: target(box, run), class: `box box-${box.state}` });
  link.dataset.key = box.key;
  const left = place.x - WIDTH / 2;
  const top = place.y - HEIGHT / 2;
  link.append(
    element("rect", { x: left, y: top, width: WIDTH, height: HEIGHT, rx: 8 }),
    element("rect", { class: "edge-colour", x: left, y: top, width: 5, height: HEIGHT, rx: 2.5 }),
    element("text", { class: "box-label", x: left + 16, y: top + 23 }, cut(box.label, 24)),
    element("text", { class: "box-note", x: left + 16, y: top + 41 }, cut(note(box), 30)),
  );
  return link;
}

function drawEdge(points) {
  const [first, ...rest] = points;
  let path = `M${first.x},${first.y}`;
  for (let i = 0; i < rest.length - 1; i++) {
    const middle = { x: (rest[i].x + rest[i + 1].x) / 2, y: (rest[i].y + rest[i + 1].y) / 2 };
    path += ` Q${rest[i].x},${rest[i].y} ${middle.x},${middle.y}`;
  }
  const last = rest.at(-1);
  return element("path", { class: "edge", d: `${path} L${last.x},${last.y}`, "marker-end": "url(#arrow)" });
}

function layout(graph) {
  const made = new dagre.graphlib.Graph();
  // From top to bottom where there is little width.
  made.setGraph({ rankdir: innerWidth < 720 ? "TB" : "LR", nodesep: 14, ranksep: 60 });
  made.setDefaultEdgeLabel(() => ({}));
  for (const box of graph.boxes) made.setNode(box.key, { width: WIDTH, height: HEIGHT });
  for (const [from, to] of graph.edges) made.setEdge(from, to);
  dagre.layout(made);
  return made;
}

function draw(place, graph) {
  const made = layout(graph);
  const svg = element("svg", { role: "group", "aria-label": "Graph of tasks" });
  const marker = element("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" });
  marker.append(element("path", { class: "arrow", d: "M0,0 L8,4 L0,8 z" }));
  const defs = element("defs");
  defs.append(marker);
  svg.append(defs);
  for (const edge of made.edges()) svg.append(drawEdge(made.edge(edge).points));
  for (const box of graph.boxes) svg.append(drawBox(box, made.node(box.key), place.dataset.run));
  const rest = [];
  if (graph.hidden) {
    const note = document.createElement("p");
    note.className = "quiet-text";
    note.textContent = `${graph.hidden} more are not drawn; the table and the search have all.`;
    rest.push(note);
  }
  place.replaceChildren(svg, ...rest);
  // Of what was drawn, and not the size that dagre gives: an edge may bend beyond that.
  const { x, y, width, height } = svg.getBBox();
  const size = { width: width + 2 * MARGIN, height: height + 2 * MARGIN };
  for (const [key, value] of Object.entries(size)) svg.setAttribute(key, value);
  svg.setAttribute("viewBox", `${x - MARGIN} ${y - MARGIN} ${size.width} ${size.height}`);
}

function recolour(place, graph) {
  for (const box of graph.boxes) {
    const link = place.querySelector(`a[data-key="${CSS.escape(box.key)}"]`);
    link.setAttribute("class", `box box-${box.state}`);
    link.querySelector(".box-note").textContent = cut(note(box), 30);
  }
}

async function show() {
  const place = document.getElementById("graph");
  if (!place) return;
  const answer = await fetch(place.dataset.source);
  if (!answer.ok) return;
  const graph = await answer.json();
  const shape = JSON.stringify([place.dataset.source, graph.boxes.map((box) => box.key), graph.edges]);
  if (!graph.boxes.length) {
    const note = document.createElement("p");
    note.className = "empty";
    note.textContent = "Nothing failed and nothing runs.";
    place.replaceChildren(note);
  } else if (shape === drawn) recolour(place, graph);
  else draw(place, graph);
  drawn = shape;
  place.setAttribute("aria-busy", "false");
}

document.addEventListener("poltergust:refreshed", show);
show();
