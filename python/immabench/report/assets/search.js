/* ---- one search over all tables: a list of matching rows, each table's number of them in front ---- */
const MOST_FOUND = 4; // rows of one table in the list

function setUpSearch() {
  const input = document.getElementById("find");
  const list = document.getElementById("found");
  if (!tables.size) input.closest(".find").hidden = true;
  let at = -1;
  const options = () => [...list.querySelectorAll('[role="option"]')];

  const point = (index) => {
    const all = options();
    at = all.length ? (index + all.length) % all.length : -1;
    all.forEach((option, number) => { option.ariaSelected = String(number === at); });
    if (at >= 0) all[at].scrollIntoView({ block: "nearest" });
    at >= 0 ? input.setAttribute("aria-activedescendant", all[at].id) : input.removeAttribute("aria-activedescendant");
  };
  const close = () => { list.hidden = true; input.ariaExpanded = "false"; point(-1); };
  const offer = () => {
    const words = wordsOf(input.value);
    const groups = words.length ? [...tables].flatMap(([figure, table]) => matches(figure, table, words)) : [];
    list.replaceChildren(...(words.length && !groups.length ? [element("li", { className: "none", role: "presentation" }, "No row of any table has that.")] : groups));
    options().forEach((option, number) => { option.id = `found-${number}`; });
    list.hidden = !words.length;
    input.ariaExpanded = String(!list.hidden);
    point(0);
  };
  const matches = (figure, table, words) => {
    const found = table.rows.filter((row) => words.every((word) => table.textOf(row).includes(word)));
    if (!found.length) return [];
    const caption = figure.querySelector(".caption").textContent;
    const all = option(`${caption}: ${found.length.toLocaleString("en")} of ${table.rows.length.toLocaleString("en")}`, "all", () => showOnly(figure, input.value));
    return [all, ...found.slice(0, MOST_FOUND).map((row) => option(summary(row), "one", () => goToRow(row)))];
  };
  const option = (text, className, go) => {
    const made = element("li", { role: "option", className, title: text }, text);
    made.addEventListener("mousedown", (event) => event.preventDefault());
    made.addEventListener("click", () => { close(); go(); });
    return made;
  };
  /* The texts of a row that name it: its first cells that are no number. */
  const summary = (row) => [...row.cells].filter((cell) => !cell.classList.contains("number") || cell.cellIndex < 3).map((cell) => cell.textContent).slice(0, 5).join(" · ");

  input.addEventListener("input", offer);
  input.addEventListener("focus", () => { if (input.value) offer(); });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") point(at + 1);
    else if (event.key === "ArrowUp") point(at - 1);
    else if (event.key === "Enter") options()[at]?.click();
    else if (event.key === "Escape") { input.value = ""; close(); }
    else return;
    event.preventDefault();
  });
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, select, textarea, dialog");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) { input.focus(); event.preventDefault(); }
  });
}
