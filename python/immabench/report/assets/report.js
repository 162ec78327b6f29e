"use strict";

/* ---- theme: the system's, until the reader chooses ---- */
const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");
let chosen = null;
const apply = (theme) => { root.dataset.theme = theme; drawCharts(); };
const current = () => chosen ?? (system.matches ? "dark" : "light");

/* ---- charts: "@name" in a figure is the page's own colour ---- */
const source = document.getElementById("charts");
const figures = source ? JSON.parse(source.textContent) : {};

function resolve(value) {
  if (typeof value === "string" && value.startsWith("@"))
    return getComputedStyle(root).getPropertyValue(`--${value.slice(1)}`).trim();
  if (Array.isArray(value)) return value.map(resolve);
  if (value && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolve(inner)]));
  return value;
}

function drawCharts() {
  if (!source) return;
  const page = resolve({ ink: "@ink", paper: "@paper", raised: "@raised", grid: "@grid" });
  const shared = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", autosize: true,
    font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: page.ink },
    hoverlabel: { bgcolor: page.raised, bordercolor: page.grid, font: { color: page.ink }, align: "left" },
  };
  for (const place of document.querySelectorAll("[data-chart]")) {
    const { data, layout } = resolve(figures[place.dataset.chart]);
    const options = { responsive: true, displaylogo: false, displayModeBar: false };
    Plotly.react(place, data, { ...layout, ...shared }, options);
    turnNames(place);
  }
}

/* Names along the slopes of a roofline turn with them: a decade is as wide as the page lets it be. */
function turnNames(place) {
  const turn = () => {
    const { annotations = [], xaxis, yaxis } = place._fullLayout;
    const decade = (axis) => axis._length / Math.abs(axis.range[1] - axis.range[0]);
    const angle = -Math.atan2(decade(yaxis), decade(xaxis)) * 180 / Math.PI;
    const stale = annotations.flatMap((one, index) => (one.name === "slope" && Math.abs(one.textangle - angle) > 0.5 ? [index] : []));
    if (stale.length) Plotly.relayout(place, Object.fromEntries(stale.map((index) => [`annotations[${index}].textangle`, angle])));
  };
  if (!place.dataset.turned) place.on("plotly_afterplot", turn);
  place.dataset.turned = "yes";
  turn();
}

/* ---- tables: sort by a click on a heading, filter by text and by choice ---- */
const collator = new Intl.Collator("en", { numeric: true });
const keyOf = (row, column) => row.cells[column].dataset.sort;

function compare(numeric, column, sign) {
  return (a, b) => {
    const [x, y] = [keyOf(a, column), keyOf(b, column)];
    return sign * (numeric ? toNumber(x) - toNumber(y) : collator.compare(x, y));
  };
}

/* A missing number is written "-inf" and sorts below every other. */
const toNumber = (text) => (text === "-inf" ? -Number.MAX_VALUE : text === "" ? NaN : Number(text));

function setUpTable(figure) {
  const body = figure.querySelector("tbody");
  const headings = [...figure.querySelectorAll("th")];
  const search = figure.querySelector("input");
  const shown = figure.querySelector("output");
  const rows = [...body.rows];
  const selects = headings.flatMap((heading, column) => ("choose" in heading.dataset ? chooser(figure, rows, heading, column) : []));

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const keep = words.every((word) => text.includes(word)) &&
        selects.every(({ select, column }) => !select.value || keyOf(row, column) === select.value);
      row.hidden = !keep;
      count += keep;
    }
    shown.textContent = count === rows.length ? `${rows.length} rows` : `${count} of ${rows.length}`;
  };

  const sort = (column) => {
    const heading = headings[column];
    const numeric = rows.every((row) => !Number.isNaN(toNumber(keyOf(row, column))));
    const next = heading.ariaSort ? (heading.ariaSort === "ascending" ? "descending" : "ascending") : (numeric ? "descending" : "ascending");
    for (const other of headings) other.ariaSort = null;
    heading.ariaSort = next;
    rows.sort(compare(numeric, column, next === "ascending" ? 1 : -1));
    body.append(...rows);
  };

  search.addEventListener("input", filter);
  for (const { select } of selects) select.addEventListener("change", filter);
  headings.forEach((heading, column) => heading.querySelector("button").addEventListener("click", () => sort(column)));
  filter();
}

function chooser(figure, rows, heading, column) {
  const values = [...new Set(rows.map((row) => keyOf(row, column)))].sort(collator.compare);
  if (values.length < 2) return [];
  const name = heading.querySelector("button").firstChild.textContent;
  const select = document.createElement("select");
  select.ariaLabel = `Only rows with this ${name}`;
  select.append(new Option(`any ${name}`, ""), ...values.map((value) => new Option(value, value)));
  figure.querySelector(".choices").append(select);
  return [{ select, column }];
}

for (const figure of document.querySelectorAll("figure.table")) setUpTable(figure);
document.getElementById("theme").addEventListener("click", () => { chosen = current() === "dark" ? "light" : "dark"; apply(chosen); });
system.addEventListener("change", () => apply(current()));
addEventListener("beforeprint", () => apply("light"));
addEventListener("afterprint", () => apply(current()));
apply(current());
