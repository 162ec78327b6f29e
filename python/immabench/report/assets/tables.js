"use strict";

/* ---- small tools of every script ---- */
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) name in made ? (made[name] = value) : made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

const wordsOf = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

/* ---- tables: sort by a click on a heading, filter by text and by choice, walk through rows by arrows ---- */
const tables = new Map(); // figure -> {rows, visible, filter, reset, textOf}
const collator = new Intl.Collator("en", { numeric: true });
const keyOf = (row, column) => row.cells[column].dataset.sort;

/* A missing number is written "-inf" and sorts below every other. */
const toNumber = (text) => (text === "-inf" ? -Number.MAX_VALUE : text === "" ? NaN : Number(text));

function compare(numeric, column, sign) {
  return (a, b) => {
    const [x, y] = [keyOf(a, column), keyOf(b, column)];
    return sign * (numeric ? toNumber(x) - toNumber(y) : collator.compare(x, y));
  };
}

function setUpTable(figure) {
  const body = figure.querySelector("tbody");
  const headings = [...figure.querySelectorAll("th")];
  const [search, shown, clear] = ["input", "output", ".reset"].map((part) => figure.querySelector(part));
  const rows = [...body.rows];
  const texts = new Map();
  const textOf = (row) => texts.get(row) ?? texts.set(row, [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase()).get(row);
  const selects = headings.flatMap((heading, column) => ("choose" in heading.dataset ? chooser(figure, rows, heading, column) : []));

  const filter = () => {
    const words = wordsOf(search.value);
    let count = 0;
    for (const row of rows) {
      const keep = words.every((word) => textOf(row).includes(word)) &&
        selects.every(({ select, column }) => !select.value || keyOf(row, column) === select.value);
      row.hidden = !keep;
      count += keep;
    }
    clear.hidden = !words.length && selects.every(({ select }) => !select.value);
    for (const { select } of selects) select.classList.toggle("chosen", Boolean(select.value));
    shown.textContent = `${count.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows`;
    rove(visible()[0]);
  };
  const visible = () => rows.filter((row) => !row.hidden);
  const reset = () => {
    search.value = "";
    for (const { select } of selects) select.value = "";
    filter();
  };
  /* One row at a time takes part in the tab order: the others are an arrow away. */
  const rove = (chosen) => {
    for (const row of body.querySelectorAll("[tabindex]")) row.removeAttribute("tabindex");
    if (chosen) chosen.tabIndex = 0;
  };
  const walk = (event) => {
    const row = event.target.closest("tr");
    const among = visible();
    const at = among.indexOf(row);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 10, PageUp: at - 10, Home: 0, End: among.length - 1 }[event.key];
    if (event.key === "Enter") openLine(row, figure);
    else if (to === undefined) return;
    else {
      const next = among[Math.max(0, Math.min(to, among.length - 1))];
      rove(next);
      next?.focus();
    }
    event.preventDefault();
  };
  const sort = (column) => {
    const heading = headings[column];
    const numeric = rows.every((row) => !Number.isNaN(toNumber(keyOf(row, column))));
    const next = heading.ariaSort ? (heading.ariaSort === "ascending" ? "descending" : "ascending") : (numeric ? "descending" : "ascending");
    for (const other of headings) other.ariaSort = null;
    heading.ariaSort = next;
    rows.sort(compare(numeric, column, next === "ascending" ? 1 : -1));
    body.append(...rows);
    rove(visible()[0]);
  };

  search.addEventListener("input", filter);
  search.addEventListener("keydown", (event) => { if (event.key === "Escape" && search.value) { search.value = ""; filter(); event.preventDefault(); } });
  clear.addEventListener("click", () => { reset(); search.focus(); });
  for (const { select } of selects) select.addEventListener("change", filter);
  headings.forEach((heading, column) => heading.querySelector("button").addEventListener("click", () => sort(column)));
  body.addEventListener("keydown", walk);
  body.addEventListener("click", (event) => {
    if (!String(getSelection())) openLine(event.target.closest("tr"), figure);
  });
  tables.set(figure, { rows, visible, filter, reset, textOf, search, rove });
  filter();
}

function chooser(figure, rows, heading, column) {
  const values = [...new Set(rows.map((row) => keyOf(row, column)))].sort(collator.compare);
  if (values.length < 2) return [];
  const name = heading.querySelector("button").firstChild.textContent;
  const select = element("select", { ariaLabel: `Only rows with this ${name}` });
  select.append(new Option(`any ${name}`, ""), ...values.map((value) => new Option(value, value)));
  figure.querySelector(".choices").append(select);
  return [{ select, column }];
}

/* A line shows a row, which has a panel, or sums up rows of another table, which are shown there. */
function openLine(row, figure) {
  const parts = document.querySelector(`figure[data-table="${figure.dataset.parts}"]`);
  if (row.dataset.row) openRow(row.dataset.row, figure);
  else if (parts) showOnly(parts, row.cells[0].textContent);
}

function showOnly(figure, text) {
  const table = tables.get(figure);
  table.reset();
  table.search.value = text;
  table.filter();
  goToRow(table.visible()[0]);
}

/* Bring a row of a table before the reader's eyes, filters of that table or not. */
function goToRow(row) {
  const figure = row.closest("figure.table");
  const table = tables.get(figure);
  if (row.hidden) table.reset();
  table.rove(row);
  row.scrollIntoView({ block: "center", behavior: "instant" });
  row.focus({ preventScroll: true });
}

/* ---- commands that can be copied ---- */
async function copy(button) {
  const code = button.closest(".command").querySelector("code");
  let done = true;
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch {
    getSelection().selectAllChildren(code);
    done = document.execCommand("copy");
  }
  button.textContent = done ? "Copied" : "Press Ctrl+C";
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button.copy");
  if (button) copy(button);
});
