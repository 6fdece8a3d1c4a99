"use strict";
// Sorting by a head's button. Without this script every table stands in the order of its recipe.
for (const table of document.querySelectorAll("table[data-sortable], figure.table table")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const start = [...body.rows];
  const key = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.sortValue ?? cell.textContent.trim();
    const number = text === "" || text === "-" ? NaN : Number(text.replace(/,/g, ""));
    return { text, number, missing: text === "" || text === "-" };
  };
  const compare = (a, b) =>
    Number.isNaN(a.number) || Number.isNaN(b.number) ? a.text.localeCompare(b.text, "en") : a.number - b.number;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Sort by this column";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      // Numbers show their largest first, words their first; a third click brings the recipe's order back.
      const numeric = start.some((row) => !Number.isNaN(key(row, column).number));
      const turns = numeric ? ["descending", "ascending", ""] : ["ascending", "descending", ""];
      const turn = turns[(turns.indexOf(head.getAttribute("aria-sort") ?? "") + 1) % turns.length];
      for (const other of heads) other.removeAttribute("aria-sort");
      if (turn) head.setAttribute("aria-sort", turn);
      const sign = turn === "descending" ? -1 : 1;
      const rows = start.map((row) => ({ row, key: key(row, column) }));
      if (turn) {
        rows.sort((a, b) =>
          a.key.missing || b.key.missing ? a.key.missing - b.key.missing : sign * compare(a.key, b.key));
      }
      body.append(...rows.map((entry) => entry.row));
    });
  });
}
// What is folded is opened for the printer, by browsers that the style alone does not move.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
