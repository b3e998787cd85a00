// What is typed above a table: words that a row must have, and conditions such as `test error < 0.1`, `status = adds`
// or `abs ρ > 0.3`, separated by commas or `and`.
const condition = /^(.*?)\s*(<=|>=|!=|≤|≥|≠|=|<|>)\s*(.*)$/;
const plain = (text) => text.toLowerCase().replace(/[_\s]+/g, " ").trim();

// The text of a cell without its mark and its remarks; null where nothing is known.
function cellText(cell) {
  let shown = cell;
  if (cell.querySelector(".mark")) {
    shown = cell.cloneNode(true);
    shown.querySelectorAll(".mark").forEach((mark) => mark.remove());
  }
  const found = shown.textContent.replace(/\s+/g, " ").trim();
  return /^–?$/.test(found) ? null : found;
}

// The number that a text begins with, or NaN.
const numberIn = (text) => parseFloat(text.replace(/−/g, "-").replace(/^</, "").replace(/(\d),(?=\d{3})/g, "$1"));

// The columns that a name may mean: those called so, else those whose name has all of its words.
function columnsNamed(name, headings) {
  const names = headings.map((heading) => [plain(heading.textContent), ...plain(heading.dataset.names || "").split(", ")]);
  const exact = names.flatMap((own, at) => (own.includes(name) ? [at] : []));
  if (exact.length) return exact;
  const has = (own) => own && name.split(" ").every((word) => own.includes(word));
  return names.flatMap((own, at) => (own.some(has) ? [at] : []));
}

// Returns whether rows meet a condition, or says what is wrong with it.
function readCondition(name, sign, value, headings) {
  let absolute = false;
  let asked = plain(name).replace(/^\|(.*)\|$/, (whole, inner) => { absolute = true; return inner.trim(); });
  let found = columnsNamed(asked, headings);
  if (!found.length && asked.startsWith("abs")) {
    absolute = true;
    asked = asked.replace(/^abs(olute)?\s*\(?\s*/, "").replace(/\)$/, "");
    found = columnsNamed(asked, headings);
  }
  const drawn = (at) => headings[at].classList.contains("forest");
  const shown = (at) => drawn(at) ? "" : plain(headings[at].dataset.names?.split(",")[0] || headings[at].textContent);
  if (!asked || !found.length) return { wrong: `no column “${asked}”; there are ${headings.map((_, at) => shown(at)).filter(Boolean).join(", ")}` };
  if (found.length > 1) return { wrong: `“${asked}” may be ${found.map(shown).join(" or ")}` };
  const limit = /^[-−+.\d]/.test(value) ? numberIn(value) : NaN;
  if (!value) return { wrong: "" };
  if (Number.isNaN(limit) && !/^(=|!=|≠)$/.test(sign)) return { wrong: `“${value}” is no number` };
  const meets = (cell) => {
    const text = cellText(cell);
    if (text === null) return sign === "!=" || sign === "≠";
    const number = absolute ? Math.abs(numberIn(text)) : numberIn(text);
    const same = Number.isNaN(limit) ? plain(text) === plain(value) : number === limit || plain(text) === plain(value);
    if (sign === "=") return same;
    if (sign === "!=" || sign === "≠") return !same;
    if (sign === "<") return number < limit;
    if (sign === ">") return number > limit;
    return sign === "<=" || sign === "≤" ? number <= limit : number >= limit;
  };
  return { meets: (row) => meets(row.cells[found[0]]) };
}

// Reads what was typed: `keeps` tells whether a row is shown, `wrong` what could not be read.
function readFilter(typed, headings) {
  const tests = [];
  const wrong = [];
  for (const part of typed.split(/\s*,\s+|\s*,$|\s*;\s*|\s+and\s+/i)) {
    const found = part.trim().match(condition);
    if (found) {
      const { meets, wrong: why } = readCondition(found[1], found[2], found[3].trim(), headings);
      if (meets) tests.push(meets);
      else if (why) wrong.push(why);
    } else {
      for (const word of plain(part).split(" ")) tests.push((row) => plain(row.textContent).includes(word));
    }
  }
  return { keeps: (row) => tests.every((test) => test(row)), wrong: wrong.join("; ") };
}
