"""Tables of the report in a real browser: filtered, sorted, summed up and searched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from page_tools import TOOLS, in_a_browser

from immabench.measure.run_folder import RunFolder
from immabench.report.keys import row_key

pytestmark = in_a_browser


def test_tables_filter_sort_and_say_how_many_rows_they_show(opened: Callable[..., Any]) -> None:
    tables = opened().run(
        TOOLS
        + """
        return [...document.querySelectorAll('figure.table')].map((one) => {
          const [search, said, clear] = ['input', 'output', '.reset'].map((part) => one.querySelector(part));
          const all = visible(one).length, word = visible(one).at(-1).cells[0].textContent;
          const result = {name: one.dataset.table, all, said: [said.textContent], idle: clear.hidden};
          enter(search, word);
          result.found = visible(one).map((row) => row.textContent.toLowerCase().includes(word.toLowerCase()));
          result.said.push(said.textContent);
          clear.click();
          result.reset = [visible(one).length, search.value, clear.hidden];
          enter(search, 'no such row anywhere');
          result.none = visible(one).length;
          clear.click();
          result.chosen = [...one.querySelectorAll('select')].map((select) => {
            select.value = select.options[1].value; select.dispatchEvent(new Event('change'));
            const keep = [select.value, visible(one).length];
            clear.click();
            return keep;
          });
          result.sorted = [...one.querySelectorAll('th button')].map((button, column) => {
            const keys = () => visible(one).map((row) => row.cells[column].dataset.sort);
            button.click(); const first = [button.parentElement.ariaSort, keys()];
            button.click(); return [first, [button.parentElement.ariaSort, keys()]];
          });
          return result;
        });
    """
    )
    assert {"speed", "emulation"} <= {table["name"] for table in tables}
    for table in tables:
        many = f"{len(table['found'])} of {table['all']} rows"
        assert table["said"] == [f"{table['all']} of {table['all']} rows", many]
        assert table["idle"] is True
        assert all(table["found"])
        assert table["reset"] == [table["all"], "", True]
        assert table["none"] == 0
        assert all(0 < count < table["all"] for _, count in table["chosen"])
        for column in table["sorted"]:
            assert {way for way, _ in column} == {"ascending", "descending"}
            for way, keys in column:
                assert _in_order(keys, way == "descending")


def _in_order(keys: list[str], falling: bool) -> bool:
    """Whether numbers are sorted; of texts that they are the same backwards is all that is asked here."""
    try:
        numbers = [float(key) for key in keys]
    except ValueError:
        return True
    return numbers == sorted(numbers, reverse=falling)


def test_a_line_about_a_kernel_shows_the_rows_it_sums_up(opened: Callable[..., Any], run: RunFolder) -> None:
    tab = opened()
    tab.click('figure[data-table="kernels"] tbody tr:last-child td')
    kernel, shown = tab.run(
        TOOLS
        + """
        const shown = visible(figure('emulation'));
        return [visible(figure('kernels')).at(-1).cells[0].textContent, shown.map((row) => row.dataset.row)];
    """
    )
    assert sorted(shown) == sorted(row_key(row) for row in run.rows() if row.counts and row.kernel_id == kernel)


def test_the_search_of_the_header_leads_to_rows_of_any_table(opened: Callable[..., Any], run: RunFolder) -> None:
    tab = opened()
    row = next(row for row in run.rows() if row.counts)
    tab.run(TOOLS + "enter(figure('emulation').querySelector('input'), 'hides every row');")
    tab.press("/")
    tab.type(f"{row.kernel_id} {row.case}")
    tab.press("ArrowDown", "Enter")
    found = tab.run("""
        const row = document.activeElement, box = row.getBoundingClientRect();
        return {text: row.textContent, hidden: row.hidden, seen: box.top >= 0 && box.bottom <= innerHeight,
          list: document.getElementById('found').hidden, row: row.tagName};
    """)
    assert row.kernel_id in found["text"]
    assert (found["row"], found["hidden"], found["seen"], found["list"]) == ("TR", False, True, True)
    tab.press("Enter")
    opened_row = tab.run(
        "return [document.getElementById('panel')?.open, document.querySelector('#panel h2')?.textContent];"
    )
    assert opened_row == [True, row.kernel_id]
