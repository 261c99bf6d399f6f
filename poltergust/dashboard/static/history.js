// How long each run took, over time, as a chart; the table beside it has the same numbers.
import uPlot from "./vendor/uplot.js";

let chart = null;

// As the page has it now, light or dark: of a property the browser gives the text, of an element the colour.
function colour(name) {
  const probe = document.body.appendChild(document.createElement("span"));
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

// Dates and times as on the rest of the page: ISO, in UTC. The day stands below the first time of it.
function moments(_, ticks, _axis, _space, step) {
  let before = "";
  return ticks.map((tick) => {
    const [day, time] = new Date(tick * 1000).toISOString().split("T");
    if (step >= 86400) return day;
    const text = time.slice(0, step < 60 ? 8 : 5);
    const shown = day === before ? text : `${text}\n${day}`;
    before = day;
    return shown;
  });
}

async function show() {
  const place = document.getElementById("durations-chart");
  if (!place) return;
  const answer = await fetch(place.dataset.source);
  if (!answer.ok) return;
  const runs = (await answer.json()).runs.filter((run) => run.started !== null && run.seconds !== null).reverse();
  const of = (wanted) => runs.map((run) => (wanted(run.outcome) ? run.seconds : null));
  const good = (outcome) => outcome === "done";
  const data = [runs.map((run) => run.started), of(good), of((outcome) => !good(outcome))];
  if (chart) {
    chart.setData(data);
    return;
  }
  const points = (fill) => ({ show: true, size: 8, fill: colour(fill), stroke: colour(fill) });
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  chart = new uPlot(
    {
      width: place.clientWidth,
      height: 180,
      legend: { live: false },
      cursor: { drag: { x: false } },
      series: [
        {},
        { label: "done", stroke: colour("--done-fill"), width: 1, points: points("--done-fill"), spanGaps: true },
        { label: "not done", stroke: colour("--failed-fill"), width: 0, points: points("--failed-fill") },
      ],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
      axes: [{ ...axis, space: 90, values: moments }, { ...axis, size: 60, values: (_, ticks) => ticks.map((tick) => `${tick} s`) }],
      scales: { y: { range: (_, least, most) => [0, Math.max(1, most * 1.1)] } },
    },
    data,
    place,
  );
  new ResizeObserver(() => chart.setSize({ width: place.clientWidth, height: 180 })).observe(place);
}

document.addEventListener("poltergust:refreshed", show);
show();
