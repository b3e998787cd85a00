// The table of all runs, and the view of one: from the data in the page, which no text of a run can leave.
const runData = document.getElementById("run-data");
if (runData) {
  const data = JSON.parse(runData.textContent);
  const view = document.getElementById("run");
  const words = (name) => name.replace(/_/g, " ");
  const numberOf = (id) => data.ids.indexOf(id);
  const link = (id) => `#run-${encodeURIComponent(id)}`;
  const text = (value) => (value === null || value === undefined ? "–" : String(value).replace(/^-(?=\d)/, "−"));
  const add = (parent, tag, content = "", attributes = {}) => {
    const node = document.createElement(tag);
    node.textContent = content;
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    parent.append(node);
    return node;
  };
  const at = (name, run) => (name in data.values ? data.values[name][run] : null);

  const isName = (name) => data.axes.includes(name) || name === "status" || name === "role";
  const rows = document.querySelector("#runs tbody");
  const head = document.querySelector("#runs thead tr");
  add(head, "th", "run", { class: "name" });
  for (const name of data.listed) add(head, "th", data.axes.includes(name) ? name : words(name), { class: isName(name) ? "name" : "" });
  data.ids.forEach((id, run) => {
    const row = add(rows, "tr");
    add(add(row, "td", "", { class: "name" }), "a", id, { href: link(id) });
    for (const name of data.listed) add(row, "td", text(at(name, run)), { class: isName(name) ? "name" : "" });
  });

  // The number of runs of a configuration leads to the best of them, whose view names the others.
  for (const row of document.querySelectorAll("#configurations tbody tr")) {
    const isOf = (run) => data.axes.every((axis, place) => at(axis, run) === row.cells[place].textContent.trim());
    const best = data.ids.findIndex((_, run) => isOf(run));
    const count = row.cells[row.cells.length - 1];
    if (best < 0) continue;
    const shown = count.textContent;
    count.textContent = "";
    add(count, "a", shown, { href: link(data.ids[best]), title: "the best of these runs" });
  }

  const svg = (parent, tag, attributes, content = "") => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.textContent = content;
    parent.append(node);
    return node;
  };
  const [left, right, top, bottom, gap] = [84, 640, 14, 200, 18];
  const short = (value) => String(Number(value.toPrecision(2))).replace("-", "−");

  // Draws the losses of a run, its phases side by side, on one scale: of powers of ten where all losses are positive.
  function drawCurves(parent, phases) {
    const seen = phases.flatMap((phase) => phase.slice(2).flat()).filter((value) => value !== null);
    if (!seen.length) return;
    const log = seen.every((value) => value > 0);
    const scale = (value) => (log ? Math.log10(value) : value);
    const low = Math.min(...seen), high = Math.max(...seen);
    const y = (value) => bottom - ((scale(value) - scale(low)) / (scale(high) - scale(low) || 1)) * (bottom - top);
    const figure = add(parent, "figure", "", { class: "curves" });
    const drawing = svg(figure, "svg", { viewBox: "0 0 660 244", role: "img", "aria-label": "losses during training" });
    for (const value of log ? [low, Math.sqrt(low * high), high] : [low, (low + high) / 2, high]) {
      svg(drawing, "path", { class: "zero", d: `M${left} ${y(value)}H${right}` });
      svg(drawing, "text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, short(value));
    }
    const width = (right - left - gap * (phases.length - 1)) / phases.length;
    phases.forEach(([phase, epochs, ...losses], index) => {
      const start = left + index * (width + gap);
      const first = epochs[0], last = epochs[epochs.length - 1];
      const x = (epoch) => start + ((epoch - first) / (last - first || 1)) * width;
      losses.forEach((values, split) => {
        const places = values.map((value, place) => [value, epochs[place]]).filter(([value]) => value !== null);
        const path = places.map(([value, epoch], place) => `${place ? "L" : "M"}${x(epoch).toFixed(1)} ${y(value).toFixed(1)}`);
        svg(drawing, "path", { class: data.curves.splits[split], d: path.join("") });
        for (const [value, epoch] of places) {
          const dot = svg(drawing, "circle", { class: data.curves.splits[split], cx: x(epoch), cy: y(value), r: 2 });
          svg(dot, "title", {}, `${data.curves.splits[split]} loss ${text(value)} at epoch ${text(epoch)}`);
        }
      });
      svg(drawing, "text", { x: start, y: bottom + 16 }, short(first));
      svg(drawing, "text", { x: start + width, y: bottom + 16, "text-anchor": "end" }, short(last));
      svg(drawing, "text", { x: start + width / 2, y: bottom + 34, "text-anchor": "middle" }, `${data.curves.phases[phase]}, epochs`);
    });
    const caption = add(figure, "figcaption", "Loss, by epochs of each phase: ");
    for (const split of data.curves.splits) add(caption, "span", split, { class: `key ${split}` });
  }

  // Place of a value among those of all runs, 1 for the smallest.
  const rank = (name, run) => 1 + data.values[name].filter((other) => other !== null && other < at(name, run)).length;

  function addNumbers(parent, title, names, run, withDecisions) {
    const known = names.filter((name) => at(name, run) !== null);
    if (!known.length) return;
    add(parent, "h3", title);
    const table = add(add(parent, "div", "", { class: "numbers" }), "table", "", { class: "verdicts" });
    const first = add(add(table, "thead"), "tr");
    add(first, "th", "name", { class: "name" });
    add(first, "th", "value");
    add(first, "th", "rank");
    if (withDecisions) add(first, "th", "decision", { class: "decision" });
    const body = add(table, "tbody");
    for (const name of known) {
      const row = add(body, "tr");
      add(add(row, "td", "", { class: "name" }), "code", name);
      add(row, "td", text(at(name, run)));
      add(row, "td", `${rank(name, run)} of ${data.values[name].filter((value) => value !== null).length}`);
      if (withDecisions) add(row, "td", data.decisions[name] || "", { class: "decision" });
    }
  }

  function addFacts(parent, facts) {
    const list = add(parent, "dl", "", { class: "facts" });
    for (const [name, value] of facts) {
      add(list, "dt", name);
      const place = add(list, "dd");
      for (const item of Array.isArray(value) ? value : [value]) {
        if (numberOf(item) >= 0) add(place, "a", item, { href: link(item) });
        else place.append(text(item));
        place.append(" ");
      }
    }
  }

  function howItEnded(run) {
    const parts = [text(at("status", run))];
    if (at("phase", run) !== null) parts.push(`in phase ${at("phase", run)}`);
    if (at("epoch", run) !== null) parts.push(`after ${text(at("epoch", run))} epochs (step ${text(at("step", run))})`);
    if (at("seconds", run) !== null) parts.push(`${text(at("seconds", run))} s of training`);
    return parts.join(", ");
  }

  function show(run) {
    const body = view.querySelector("div");
    body.replaceChildren();
    add(body, "h2", `Run ${data.ids[run]}`);
    const facts = data.values.status ? [["Ended", howItEnded(run)]] : [];
    if (at("role", run) === "parent") facts.push(["Role", "parent or teacher of other runs"]);
    if (at("reason", run) !== null) facts.push(["Why", at("reason", run)]);
    for (const name of ["parent", "teacher"]) if (at(name, run) !== null) facts.push([words(name), at(name, run)]);
    for (const name of ["seed", "replicate"]) if (at(name, run) !== null) facts.push([words(name), at(name, run)]);
    if (at("configuration", run) !== null) {
      const same = data.ids.filter((id, other) => other !== run && at("configuration", other) === at("configuration", run));
      facts.push(["Same configuration", same.length ? same : "no other run"]);
    }
    addFacts(body, facts);
    drawCurves(body, data.curves.runs[run] || []);
    add(body, "h3", "Configuration");
    addFacts(body, [...data.axes, ...data.fields].map((name) => [name, at(name, run)]));
    if (Object.keys(data.fixed).length) {
      const rest = add(body, "details");
      add(rest, "summary", "Fields that all runs share");
      addFacts(rest, Object.entries(data.fixed));
    }
    addNumbers(body, "Losses and errors", data.outcomes, run, false);
    addNumbers(body, "Predictors", data.predictors, run, true);
    if (!view.open) view.showModal();
    view.scrollTop = 0;
  }

  // The address names the run that is shown, so that a view can be linked to, and "back" leaves it.
  function follow() {
    const asked = location.hash.startsWith("#run-") ? decodeURIComponent(location.hash.slice(5)) : null;
    const run = asked === null ? -1 : numberOf(asked);
    if (run >= 0) show(run);
    else if (view.open) view.close();
  }
  view.addEventListener("close", () => {
    if (location.hash.startsWith("#run-")) history.pushState(null, "", location.pathname + location.search);
  });
  view.addEventListener("click", (event) => { if (event.target === view) view.close(); });
  view.querySelector("button").addEventListener("click", () => view.close());
  addEventListener("hashchange", follow);

  // Points of a figure: the group knows its runs, in the order in which they are drawn.
  const idOfPoint = (target) => {
    const point = target.closest?.("use");
    const group = point?.closest("[data-runs]");
    if (!group) return null;
    const id = group.dataset.runs.split(" ")[[...group.querySelectorAll("use")].indexOf(point)];
    return id && numberOf(decodeURIComponent(id)) >= 0 ? decodeURIComponent(id) : null;
  };
  document.addEventListener("click", (event) => {
    const id = idOfPoint(event.target);
    if (id !== null) location.hash = link(id);
  });
  document.addEventListener("pointerover", (event) => {
    const id = idOfPoint(event.target);
    if (id === null || event.target.querySelector("title")) return;
    const run = numberOf(id);
    const lines = [`run ${id}`, ...data.listed.map((name) => `${words(name)}: ${text(at(name, run))}`)];
    svg(event.target, "title", {}, lines.join("\n"));
  });
  follow();
}
