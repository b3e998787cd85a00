// A click on a heading sorts the table by that column, a second click the other way round; baselines stay on top.
// The search box above a long table hides the rows that lack a word typed in it; baselines stay.
const fewestToSearch = 12;
for (const table of document.querySelectorAll("table.verdicts")) {
  const headings = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const value = (row, at) => {
    const text = row.cells[at].textContent.trim();
    const number = parseFloat(text.replace(/−/g, "-").replace("<", ""));
    return Number.isNaN(number) ? (/^–?$/.test(text) ? null : text) : number;
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
      rows.sort((a, b) => {
        const [x, y] = [value(a, at), value(b, at)];
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
  box.placeholder = "search these rows";
  box.setAttribute("aria-label", "search the rows of this table");
  const count = document.createElement("span");
  count.setAttribute("role", "status");
  const line = document.createElement("p");
  line.className = "search";
  line.append(box, count);
  table.parentElement.before(line);
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/);
    const shown = searched.filter((row) => {
      row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
      return !row.hidden;
    });
    count.textContent = box.value.trim() ? `${shown.length} of ${searched.length}` : "";
  });
}
