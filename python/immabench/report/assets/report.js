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
    Plotly.react(place, data, { ...layout, ...shared, uirevision: "kept" }, options);
    followPoints(place);
    turnNames(place);
  }
}

/* A point that stands for a row says so in its customdata and opens its panel. */
function followPoints(place) {
  if (place.dataset.followed) return;
  place.dataset.followed = "yes";
  const keyAt = ({ points }) => points[0]?.customdata?.[0];
  place.on("plotly_click", (event) => { if (keyAt(event)) openRow(keyAt(event)); });
  place.on("plotly_hover", (event) => place.classList.toggle("opens", Boolean(keyAt(event))));
  place.on("plotly_unhover", () => place.classList.remove("opens"));
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

/* ---- start ---- */
for (const figure of document.querySelectorAll("figure.table")) setUpTable(figure);
setUpSearch();
document.getElementById("theme").addEventListener("click", () => { chosen = current() === "dark" ? "light" : "dark"; apply(chosen); });
system.addEventListener("change", () => apply(current()));
addEventListener("beforeprint", () => apply("light"));
addEventListener("afterprint", () => apply(current()));
apply(current());
setUpPanel();
