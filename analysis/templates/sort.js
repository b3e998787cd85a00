// A click on a heading sorts the table by that column, a second click the other way round; baselines stay on top.
// The box above a long table hides the rows that do not meet what is typed in it; baselines stay.
const fewestToSearch = 12;
for (const table of document.querySelectorAll("main table.verdicts")) {
  const headings = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const value = (row, at) => {
    const text = cellText(row.cells[at]);
    if (text === null) return null;
    const number = numberIn(text);
    return Number.isNaN(number) ? text : number;
  };
  headings.forEach((heading, at) => {
    if (heading.classList.contains("forest") || heading.classList.contains("interval")) return;
    heading.tabIndex = 0;
    heading.setAttribute("role", "button");
    const sort = () => {
      const down = heading.getAttribute("aria-sort") !== "descending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows].filter((row) => !row.classList.contains("baseline"));
      const keys = new Map(rows.map((row) => [row, value(row, at)]));
      rows.sort((a, b) => {
        const [x, y] = [keys.get(a), keys.get(b)];
        if (x === null || y === null) return (x === null) - (y === null);
        const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
        return down ? -order : order;
      });
      rows.forEach((row) => table.tBodies[0].append(row));
    };
    heading.addEventListener("click", sort);
    heading.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
  });
  const searched = [...table.tBodies[0].rows].filter((row) => !row.classList.contains("baseline"));
  if (searched.length < fewestToSearch) continue;
  const box = document.createElement("input");
  box.type = "search";
  box.placeholder = `a word, or ${table.dataset.example || "a column = a value"}`;
  box.setAttribute("aria-label", "filter the rows of this table");
  const count = document.createElement("span");
  count.setAttribute("role", "status");
  const line = document.createElement("p");
  line.className = "search";
  line.append(box, count);
  table.parentElement.before(line);
  box.addEventListener("input", () => {
    const { keeps, wrong } = readFilter(box.value, headings);
    const shown = searched.filter((row) => {
      row.hidden = !keeps(row);
      return !row.hidden;
    });
    const number = box.value.trim() ? `${shown.length} of ${searched.length}` : "";
    count.textContent = wrong ? `${number}; ${wrong}` : number;
  });
}
