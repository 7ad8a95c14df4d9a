// The picture of a model: a canvas that one moves and zooms in, searches and opens. Everything that comes from a model is set as text.
(() => {
  const source = document.getElementById("graph-data");
  if (!source) return;
  const $ = (id) => document.getElementById(id);
  const canvas = $("picture");
  const model = graphModelOf(JSON.parse(source.textContent));
  const { data, sheets, isNode, endOf, labelOf, rowOf, nameOf } = model;
  const painter = painterOf(canvas, model);
  const HEIGHT = painterOf.HEIGHT;
  const MAX_RESULTS = 60;

  let current = sheets[0];
  let chosen = -1;
  let view = { x: 0, y: 0, scale: 1 };
  let size = { width: 0, height: 0 };
  let waiting = false;

  const draw = () => painter.draw({ sheet: current, chosen, view, size });

  function redraw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }

  // --- the view ---
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const smallest = () => Math.min(0.4, fitScale()) * 0.8;
  const fitScale = () => Math.min(size.width / (current.width + 80), size.height / (current.height + HEIGHT + 60));

  function fit() {
    const scale = clamp(fitScale(), 0.002, 1.25);
    view = { x: current.width / 2, y: current.height / 2, scale };
    told();
  }

  function start() {
    const scale = fitScale();
    if (scale >= 0.55) { fit(); return; }
    // Too large to be read as a whole: the beginning, where it is.
    const tops = current.rows.get(0) ?? [0];
    const middle = tops.length ? (current.x[tops[0]] + current.x[tops[tops.length - 1]]) / 2 : 0;
    view = { x: middle || 0, y: size.height / 2 / 0.8 - HEIGHT, scale: 0.8 };
    told();
  }

  function told() {
    view.x = clamp(view.x, -60, current.width + 60);
    view.y = clamp(view.y, -60, current.height + 60);
    $("zoom").textContent = `${Math.max(1, Math.round(view.scale * 100))} %`;
    redraw();
  }

  function zoom(factor, at = { x: size.width / 2, y: size.height / 2 }) {
    const scale = clamp(view.scale * factor, smallest(), 3);
    const move = 1 / view.scale - 1 / scale;
    view = { x: view.x + (at.x - size.width / 2) * move, y: view.y + (at.y - size.height / 2) * move, scale };
    told();
  }

  function pan(dx, dy) {
    view.x += dx / view.scale;
    view.y += dy / view.scale;
    told();
  }

  function show(sheet, { keep = true } = {}) {
    if (keep) current.view = view;
    current = sheet;
    chosen = -1;
    $("sheet").value = String(sheet.number);
    $("up").disabled = sheet.parent === null;
    if (sheet.view) { view = sheet.view; told(); } else start();
    describe();
  }

  function choose(sheet, box, { centre = true } = {}) {
    if (sheet !== current) show(sheet);
    chosen = box;
    if (centre) {
      view.x = sheet.x[box];
      view.y = sheet.y[box];
      view.scale = Math.max(view.scale, 0.8);
    }
    told();
    describe();
  }

  // --- details of what is chosen ---
  function make(name, text, attributes = {}) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  function button(text, action) {
    const made = make("button", text, { type: "button" });
    made.addEventListener("click", action);
    return made;
  }

  function describe() {
    const out = $("details");
    out.replaceChildren();
    if (chosen < 0) {
      const nodes = current.nodes.length;
      out.append(make("h3", current.title), make("p", `${nodes.toLocaleString("en")} ${nodes === 1 ? "node" : "nodes"}${current.left ? `, ${current.left.toLocaleString("en")} more not drawn` : ""}. Choose one in the picture, or search.`, { class: "note" }));
      return;
    }
    const sheet = current;
    out.append(make("h3", labelOf(sheet, chosen)));
    const list = make("dl", undefined, { class: "facts narrow" });
    const say = (name, value) => { if (value) list.append(make("dt", name), make("dd", value)); };
    if (isNode(sheet, chosen)) {
      const row = rowOf(sheet, chosen);
      if (sheet.marks[chosen]) out.append(make("p", `✗ ${sheet.marks[chosen]}`, { class: "badge bad" }));
      ["Node", "", "Name", "Inputs", "Outputs", "Attributes"].forEach((name, cell) => {
        const lines = Array.from(row?.cells[cell]?.childNodes ?? [], (line) => line.textContent).filter(Boolean);
        if (name) lines.forEach((line, at) => say(at ? "" : name, line));
      });
    } else {
      const [kind, , type] = endOf(sheet, chosen);
      say("Is", { in: "an input", out: "an output", around: "a value of the graph around" }[kind]);
      say("Type", type);
    }
    list.querySelectorAll("dt:empty").forEach((each) => each.remove());
    out.append(list);
    for (const number of sheet.opens[chosen] ?? []) {
      out.append(button(`Open ${sheets[number].title}`, () => { show(sheets[number]); canvas.focus(); }));
    }
    neighbours(out, sheet, "Comes from", sheet.to, sheet.from);
    neighbours(out, sheet, "Goes to", sheet.from, sheet.to);
  }

  function neighbours(out, sheet, title, mine, other) {
    const found = [];
    for (let i = 0; i < sheet.lines && found.length <= 12; i++) if (mine[i] === chosen) found.push(other[i]);
    if (!found.length) return;
    const row = make("div", undefined, { class: "row" });
    for (const box of found.slice(0, 12)) row.append(button(labelOf(sheet, box), () => choose(sheet, box)));
    out.append(make("h4", title), row);
    if (found.length > 12) out.append(make("p", "and more", { class: "note" }));
  }

  // --- search: in the words of the lists, so that nothing is here twice ---
  let words = null;
  function searchable() {
    words ??= sheets.flatMap((sheet) => sheet.nodes.map((_, index) => {
      const row = $(`n${sheet.number}-${index}`);
      return [sheet, sheet.first + index, row ? row.textContent.toLowerCase() : ""];
    }).concat(sheet.before.map((end, box) => [sheet, box, end[1].toLowerCase()]),
      sheet.after.map((end, i) => [sheet, sheet.first + sheet.nodes.length + i, end[1].toLowerCase()])));
    return words;
  }

  function search() {
    const wanted = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const list = $("results");
    list.replaceChildren();
    if (!wanted.length) { $("count").textContent = ""; return; }
    const found = searchable().filter(([, , text]) => wanted.every((word) => text.includes(word)));
    $("count").textContent = `${found.length.toLocaleString("en")} found${found.length > MAX_RESULTS ? `, the first ${MAX_RESULTS} listed` : ""}`;
    for (const [sheet, box] of found.slice(0, MAX_RESULTS)) {
      const name = nameOf(sheet, box);
      const item = make("li");
      item.append(button(`${labelOf(sheet, box)}${name ? ` · ${name}` : ""}${sheet.number ? ` · ${sheet.title}` : ""}`, () => choose(sheet, box)));
      list.append(item);
    }
  }

  // --- hands: pointer, wheel and keys ---
  const pointers = new Map();
  let moved = 0;
  const at = (event) => ({ x: event.clientX - canvas.getBoundingClientRect().left, y: event.clientY - canvas.getBoundingClientRect().top });

  function boxAt(point) {
    const x = (point.x - size.width / 2) / view.scale + view.x;
    const y = (point.y - size.height / 2) / view.scale + view.y;
    const row = current.rows.get(Math.round(y / data.row) * data.row) ?? [];
    const slack = Math.max(0, 6 / view.scale - 6);
    return row.find((box) => Math.abs(current.x[box] - x) <= current.w[box] / 2 + slack && Math.abs(current.y[box] - y) <= HEIGHT / 2 + slack) ?? -1;
  }

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    moved = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    if (pointers.size === 2) {
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
      const apart = (a, b) => Math.hypot(a.x - b.x, a.y - b.y) || 1;
      zoom(apart(now, other) / apart(before, other), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
      moved = 99;
    } else {
      moved += Math.abs(now.x - before.x) + Math.abs(now.y - before.y);
      pan(before.x - now.x, before.y - now.y);
    }
    pointers.set(event.pointerId, now);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(kind, (event) => {
      if (pointers.delete(event.pointerId) && kind === "pointerup" && moved < 6) {
        const box = boxAt(at(event));
        if (box >= 0) choose(current, box, { centre: false });
        else { chosen = -1; redraw(); describe(); }
      }
    });
  }
  canvas.addEventListener("dblclick", (event) => {
    const box = boxAt(at(event));
    const inner = box >= 0 ? current.opens[box]?.[0] : undefined;
    if (inner !== undefined) show(sheets[inner]);
    else zoom(1.6, at(event));
  });
  canvas.addEventListener("wheel", (event) => {
    // A page that one scrolls through is not caught by a picture on the way.
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== canvas) return;
    event.preventDefault();
    zoom(Math.exp(-clamp(event.deltaY, -120, 120) * 0.0022), at(event));
  }, { passive: false });

  function nearest() {
    let best = -1;
    let least = Infinity;
    for (let box = 0; box < current.count; box++) {
      const far = Math.hypot(current.x[box] - view.x, current.y[box] - view.y);
      if (far < least) [best, least] = [box, far];
    }
    return best;
  }

  function step(by) {
    if (!current.count) return;
    choose(current, chosen < 0 && by > 0 ? 0 : (Math.max(chosen, 0) + by + current.count) % current.count);
  }

  function enter() {
    const box = chosen < 0 ? nearest() : chosen;
    if (box < 0) return;
    choose(current, box, { centre: false });
    $("details").focus();
  }

  function up() {
    if (!current.parent) return;
    const [number, node] = current.parent;
    const outer = sheets[number];
    choose(outer, outer.first + node);
  }

  const keys = {
    ArrowLeft: () => pan(-80, 0), ArrowRight: () => pan(80, 0), ArrowUp: () => pan(0, -80), ArrowDown: () => pan(0, 80),
    "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: fit, Home: start,
    n: () => step(1), p: () => step(-1), Enter: enter, Backspace: up,
    o: () => { const inner = current.opens[chosen]?.[0]; if (inner !== undefined) show(sheets[inner]); },
    "/": () => $("search").focus(),
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });

  $("in").addEventListener("click", () => zoom(1.25));
  $("out").addEventListener("click", () => zoom(0.8));
  $("fit").addEventListener("click", fit);
  $("up").addEventListener("click", up);
  $("sheet").addEventListener("change", (event) => show(sheets[Number(event.target.value)]));
  $("search").addEventListener("input", search);
  $("search").addEventListener("keydown", (event) => {
    if (event.key === "Enter") $("results").querySelector("button")?.click();
  });

  // A link to a node shows it in the picture, and its row, whose list is folded up.
  function follow() {
    const found = /^#n(\d+)-(\d+)$/.exec(location.hash);
    const sheet = found && sheets[Number(found[1])];
    if (!sheet || Number(found[2]) >= sheet.nodes.length) return;
    const row = $(location.hash.slice(1));
    const folded = row?.closest("details");
    if (folded && !folded.open) { folded.open = true; row.scrollIntoView(); }
    choose(sheet, sheet.first + Number(found[2]));
  }
  window.addEventListener("hashchange", follow);

  // --- size, colours, paper ---
  function measure() {
    const ratio = window.devicePixelRatio || 1;
    const first = !size.width;
    size = { width: canvas.clientWidth, height: canvas.clientHeight };
    canvas.width = Math.round(size.width * ratio);
    canvas.height = Math.round(size.height * ratio);
    if (first && size.width) { start(); describe(); follow(); }
    draw();
  }
  function recolour() { painter.readColours(); draw(); }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  window.addEventListener("beforeprint", () => { document.documentElement.dataset.print = ""; recolour(); });
  window.addEventListener("afterprint", () => { delete document.documentElement.dataset.print; recolour(); });
  painter.readColours();
  $("up").disabled = true;
  new ResizeObserver(measure).observe(canvas);
})();
