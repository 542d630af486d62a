"use strict";
// The page is whole without this: it sorts and searches tables, and shows at once what figures say under the pointer.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0], heads = table.tHead ? table.tHead.rows[0].cells : [];
  if (!body || body.rows.length < 4) continue;
  const value = (row, column) => {
    const text = row.cells[column] ? row.cells[column].textContent.trim() : "";
    const number = Number(text.replace(/[, %]|R²|right/g, ""));
    return text === "" ? null : Number.isNaN(number) ? text : number;
  };
  const compare = (a, b) =>
    a === b ? 0 : a === null ? 1 : b === null ? -1
    : typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  for (const [column, head] of [...heads].entries()) {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map(row => [value(row, column), row]);
      rows.sort(([a], [b]) => a === null || b === null ? compare(a, b) : down ? compare(b, a) : compare(a, b));
      body.append(...rows.map(([, row]) => row));
    });
  }
  if (body.rows.length < 12) continue;
  const find = document.createElement("input");
  find.type = "search";
  find.placeholder = "Search " + table.caption.textContent;
  find.setAttribute("aria-label", find.placeholder);
  find.addEventListener("input", () => {
    const words = find.value.toLowerCase().split(/\s+/);
    for (const row of body.rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every(word => text.includes(word));
    }
  });
  table.parentElement.before(find);
}
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
document.body.append(tip);
document.addEventListener("pointermove", event => {
  const mark = event.target.closest("svg rect:has(> title), svg [data-tip]");
  const title = mark && mark.querySelector("title");
  if (title) {
    // Moved to an attribute, or the browser shows it, too.
    mark.setAttribute("data-tip", title.textContent);
    title.remove();
  }
  tip.hidden = !mark;
  if (!mark) return;
  tip.textContent = mark.getAttribute("data-tip");
  const left = Math.min(event.clientX + 14, document.documentElement.clientWidth - tip.offsetWidth - 8);
  tip.style.left = Math.max(8, left) + "px";
  tip.style.top = (event.clientY > 60 ? event.clientY - tip.offsetHeight - 12 : event.clientY + 18) + "px";
});
