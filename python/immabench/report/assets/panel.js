/* ---- the panel of a row: where each figure comes from; "#row-KEY" in the address opens it ---- */
const panel = document.getElementById("panel");
const stored = document.getElementById("details");
let details = null; // read when the first panel opens
let origin = null; // the table whose rows "previous" and "next" walk through

const rowInAddress = () => location.hash.match(/^#row-([0-9a-f]{12})$/)?.[1];
const exact = (value) => (typeof value === "number" ? number(value, 6) : value === true ? "yes" : value === false ? "no" : String(value));
const number = (value, digits = 4) => new Intl.NumberFormat("en", { maximumSignificantDigits: digits }).format(value);

function openRow(key, figure = null) {
  if (!panel) return;
  origin = figure;
  if (rowInAddress() !== key) history.pushState(null, "", `#row-${key}`);
  followAddress();
}

/* What is shown follows the address, so that reload, back and a copied link agree. */
function followAddress() {
  if (!panel) return;
  const key = rowInAddress();
  if (!key) return panel.open && panel.close();
  details ??= JSON.parse(stored.textContent);
  const held = document.activeElement?.ariaLabel;
  panel.replaceChildren(...contentOf(key));
  if (!panel.open) panel.showModal();
  else (panel.querySelector(`button[aria-label="${held}"]:enabled`) ?? panel.querySelector(".close")).focus();
  panel.scrollTop = 0;
}

function step(by) {
  const keys = neighbours();
  const next = keys[keys.indexOf(rowInAddress()) + by];
  if (!next) return;
  history.replaceState(null, "", `#row-${next}`);
  followAddress();
}

const neighbours = () => (origin ? tables.get(origin).visible().map((row) => row.dataset.row) : []);

function setUpPanel() {
  if (!panel) return;
  panel.addEventListener("close", () => { if (rowInAddress()) history.pushState(null, "", location.pathname + location.search); });
  panel.addEventListener("click", (event) => { if (event.target === panel || event.target.closest(".close")) panel.close(); });
  panel.addEventListener("keydown", (event) => {
    if (event.target.closest("pre, .scroll")) return;
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  addEventListener("popstate", followAddress);
  addEventListener("hashchange", followAddress);
  followAddress();
}

/* ---- its parts, each an array of elements, empty where a row has nothing of the kind ---- */
function contentOf(key) {
  const row = details.rows[key];
  if (!row) return [...headOf("This row has no panel", "", ""), element("p", {}, missingText())];
  const fields = Object.fromEntries(details.fields.map(([name], index) => [name, row.values[index]]));
  const subtitle = [fields.suite, fields.case, row.shape, fields.device_kind].filter(Boolean).join(" · ");
  return [
    ...headOf(fields.kernel_id, subtitle, fields.status),
    element("div", { className: "body" },
      ...figuresOf(fields), ...reasonOf(fields), ...explained(row), ...samplesOf(row, fields), ...sameCase(key, fields),
      ...countsOf(row, fields), ...profileOf(row), ...machineCode(fields), ...repeated(row), ...allFields(row)),
  ];
}

function missingText() {
  return details.left
    ? `The page has panels of ${number(Object.keys(details.rows).length)} rows; ${number(details.left)} more rows are in rows.csv and rows.jsonl.`
    : "No row of this run has that key: the address belongs to another report.";
}

function headOf(title, subtitle, status) {
  const at = neighbours().indexOf(rowInAddress());
  const button = (label, text, disabled, act) => { const made = element("button", { type: "button", ariaLabel: label, title: label, disabled }, text); made.addEventListener("click", act); return made; };
  const walk = at < 0 ? [] : [button("Previous row", "←", at === 0, () => step(-1)), button("Next row", "→", at + 1 >= neighbours().length, () => step(1))];
  return [element("header", {},
    element("div", {}, element("h2", { id: "panel-title" }, title), element("p", {}, subtitle)),
    status && element("span", { className: `status ${status === "ok" ? "good" : status === "skipped" ? "quiet" : "bad"}` }, status),
    ...walk, element("button", { type: "button", className: "close", ariaLabel: "Close", title: "Close (Escape)" }, "×"))];
}

const section = (title, ...children) => [element("section", {}, element("h3", {}, title), ...children)];
const note = (text) => element("p", { className: "note" }, text);

function figuresOf(fields) {
  const figure = (value, unit, label) => (value === null ? null : element("div", {}, element("b", {}, number(value)), ` ${unit}`, element("small", {}, label)));
  const known = [
    fields.device_kind === "emulated" && fields.verified !== null ? element("div", {}, element("b", { className: fields.verified ? "good" : "bad" }, fields.verified ? "exact" : "not exact"), element("small", {}, "compared bit for bit with the oracle")) : null,
    figure(fields.time_us_median, "µs", "median time"),
    fields.tops < 2 ? figure(fields.tops && 1000 * fields.tops, "Gop/s", "rate") : figure(fields.tops, "Top/s", "rate"),
    figure(fields.pct_roof, "%", "of the measured roof"),
    figure(fields.pct_noise, "%", "standard error of the median"),
    figure(fields.hazards, fields.hazards === 1 ? "hazard" : "hazards", "found while emulating"),
  ].filter(Boolean);
  return known.length ? [element("div", { className: "figures" }, ...known)] : [];
}

const reasonOf = (fields) => (fields.reason ? [element("p", { className: "reason" }, fields.reason)] : []);
const explained = (row) => (row.explanations ? section("Why", ...row.explanations.map((sentence) => element("p", {}, sentence))) : []);

function samplesOf(row, fields) {
  if (!row.times_us) return fields.samples ? section("Samples", note("The run folder keeps no raw samples of this row.")) : [];
  const thinned = row.times_us.length < fields.samples ? ` Drawn: ${row.times_us.length} of ${number(fields.samples)}, at evenly spaced ranks, so that quantiles stay; samples/ has all of them.` : "";
  return section("Samples", histogram(row.times_us, fields), note(`${number(fields.samples)} launches. The line is the median, the band the middle half.${thinned}`));
}

function sameCase(key, fields) {
  const names = details.fields.map(([name]) => name);
  const of = (row, name) => row.values[names.indexOf(name)];
  const others = Object.entries(details.rows).filter(([, row]) => of(row, "suite") === fields.suite && of(row, "case") === fields.case);
  if (others.length < 2) return [];
  const rank = ([, row]) => (of(row, "step") === "pack" ? 1e30 : of(row, "time_us_median") ?? 1e29);
  others.sort((a, b) => rank(a) - rank(b));
  const line = ([other, row]) => {
    const name = other === key ? element("b", {}, of(row, "kernel_id")) : element("a", { href: `#row-${other}` }, of(row, "kernel_id"));
    const time = of(row, "time_us_median");
    return [name, time === null ? "–" : number(time), of(row, "step"), of(row, "device_kind"), of(row, "status")];
  };
  return section("Same case", grid(["kernel", "time (µs)", "step", "device", "status"], others.map(line)));
}

function countsOf(row, fields) {
  const counts = row.counts ?? details.rows[row.emulated]?.counts;
  if (!counts) return [];
  const operations = Object.entries(counts).filter(([, of]) => typeof of === "object" && of.requests);
  const totals = Object.entries(counts).filter(([, of]) => typeof of === "number" && of).map(([name, of]) => `${name} ${number(of, 12)}`);
  const lines = operations.flatMap(([name, of]) => [
    ...("sectors" in of ? [[name, number(of.bytes, 12), `${number(of.sectors, 12)} sectors`, number(of.ideal, 12), against(of.sectors, of.ideal)]] : []),
    ...("wavefronts" in of ? [[name, number(of.bytes, 12), `${number(of.wavefronts, 12)} wavefronts`, number(of.ideal_wavefronts ?? of.ideal, 12), against(of.wavefronts, of.ideal_wavefronts ?? of.ideal)]] : []),
  ]);
  const whose = row.counts ? null : element("p", { className: "note" }, "Of the ", element("a", { href: `#row-${row.emulated}` }, "emulated row"), " of the same kernel and problem; counts, never a time.");
  return section("Emulated counts", whose, totals.length ? note(totals.join(" · ")) : null, grid(["operation", "bytes", "transactions", "ideal", "× ideal"], lines));
}

const against = (actual, ideal) => (ideal ? `${(actual / ideal).toFixed(2)}×` : "–");

function profileOf(row) {
  return (row.profile ?? []).flatMap((action) => section(
    "Profiled launch",
    note(`${action.function}${action.duration_us === null || action.duration_us === undefined ? "" : `, ${number(action.duration_us)} µs under the profiler`}`),
    grid(["metric", "value"], Object.entries(action.metrics ?? {}).map(([name, value]) => [name, exact(value)])),
    ...(action.rules ?? []).map((rule) => element("p", {}, element("b", {}, `${rule.rule ?? ""} `), rule.message ?? ""))));
}

function machineCode(fields) {
  const compiled = details.kernels[fields.kernel_id];
  if (!compiled) return [];
  const lines = compiled.map((fact) => [
    fact.arch, fact.variant, number(fact.registers), number((fact.static_shared_bytes + fact.dynamic_shared_bytes) / 1024), number(fact.spills),
    Object.entries(fact.mma).map(([name, count]) => `${name} ×${count}`).join(", "),
    `${fact.occupancy.blocks_per_sm} of ${fact.occupancy.warps_per_sm} warps, by ${fact.occupancy.limited_by}`,
  ]);
  return section("Machine code", grid(["architecture", "variant", "registers", "shared (KiB)", "spills", "matrix instructions", "blocks an SM"], lines));
}

function repeated(row) {
  if (!row.command) return section("Measure this row again", note("A row of an older run does not say what was asked for."));
  const box = element("div", { className: "command" }, element("pre", {}, element("code", {}, row.command)), element("button", { type: "button", className: "copy" }, "Copy"));
  return section("Measure this row again", box);
}

function allFields(row) {
  const groups = new Map();
  details.fields.forEach(([, label, group, unit], index) => {
    const value = row.values[index];
    const text = value === null || value === "" ? "–" : exact(value) + (unit && typeof value === "number" ? ` ${unit}` : "");
    groups.set(group, [...(groups.get(group) ?? []), element("dt", {}, label), element("dd", { title: String(value ?? ""), className: text === "–" ? "quiet" : "" }, text)]);
  });
  return section("All fields", ...[...groups].flatMap(([group, items]) => [element("h4", {}, group), element("dl", {}, ...items)]));
}

function grid(titles, lines) {
  const head = element("tr", {}, ...titles.map((title) => element("th", { scope: "col" }, title)));
  const body = lines.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))));
  return element("div", { className: "scroll", tabIndex: 0 }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...body)));
}

/* ---- samples: a histogram above every sample, with median and quartiles of the row ---- */
const SVG = "http://www.w3.org/2000/svg";

function shape(tag, attributes, text = "") {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

function histogram(times, fields) {
  const [width, height, floor, rug] = [Math.min(708, innerWidth - 48), 150, 108, 122];
  const sorted = [...times].sort((a, b) => a - b);
  const quantile = (q) => { const at = q * (sorted.length - 1), low = Math.floor(at); return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]); };
  const [low, high] = [sorted[0], sorted.at(-1)];
  const x = (time) => (high > low ? 8 + ((time - low) / (high - low)) * (width - 16) : width / 2);
  const bins = new Array(Math.max(8, Math.min(64, Math.ceil(2 * Math.sqrt(times.length))))).fill(0);
  for (const time of times) bins[high > low ? Math.min(bins.length - 1, Math.floor(((time - low) / (high - low)) * bins.length)) : bins.length >> 1] += 1;
  const most = Math.max(...bins), wide = (width - 16) / bins.length;
  const label = `${times.length} samples from ${number(low)} to ${number(high)} µs, median ${number(quantile(0.5))} µs`;
  const drawing = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, class: "samples" });
  const median = fields.time_us_median ?? quantile(0.5);
  drawing.append(
    shape("rect", { class: "iqr", x: x(quantile(0.25)), y: 14, width: Math.max(1, x(quantile(0.75)) - x(quantile(0.25))), height: rug - 8 }),
    ...bins.map((count, index) => shape("rect", { class: "bin", x: 8 + index * wide + 0.5, y: floor - (count / most) * (floor - 22), width: Math.max(0.5, wide - 1), height: (count / most) * (floor - 22) })),
    ...times.map((time) => shape("line", { class: "sample", x1: x(time), x2: x(time), y1: floor + 4, y2: rug + 4 })),
    shape("line", { class: "median", x1: x(median), x2: x(median), y1: 14, y2: rug + 4 }),
    shape("text", { x: Math.min(Math.max(x(median), 40), width - 40), y: 10, "text-anchor": "middle" }, `${number(median)} µs`),
    shape("text", { x: 8, y: height - 6 }, `${number(low)} µs`),
    shape("text", { x: width - 8, y: height - 6, "text-anchor": "end" }, `${number(high)} µs`),
  );
  return drawing;
}
