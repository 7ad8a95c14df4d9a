// The picture of a model: a canvas that shows what is in the data of the page, and words that are in its lists. Everything that comes
// from a model is set as text.
(() => {
  const source = document.getElementById("graph-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const $ = (id) => document.getElementById(id);
  const canvas = $("picture");
  const context = canvas.getContext("2d");
  const HEIGHT = 40;
  const MAX_RESULTS = 60;
  const MANY = 2500; // lines in sight, from which on they are drawn straight
  const TOGETHER = 200; // lines of one path: what crosses itself in thousands of places is slow to fill
  const font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";

  // --- the sheets, with places as numbers and what stands on each side of a box ---
  const sheets = data.sheets.map((sheet, number) => {
    const first = sheet.before.length;
    const count = first + sheet.nodes.length + sheet.after.length;
    const lines = sheet.edges.length / 2;
    const made = {
      ...sheet, number, first, count, lines,
      x: Float64Array.from(sheet.x),
      y: Float64Array.from(sheet.y, (row) => row * data.row),
      from: Int32Array.from({ length: lines }, (_, i) => sheet.edges[2 * i]),
      to: Int32Array.from({ length: lines }, (_, i) => sheet.edges[2 * i + 1]),
      view: null,
    };
    made.width = made.x.reduce((most, x, box) => Math.max(most, x + sheet.w[box] / 2), 0);
    made.height = made.y.reduce((most, y) => Math.max(most, y), 0);
    made.rows = rowsOf(made);
    made.side = Float64Array.from({ length: lines }, (_, i) => around(made, made.from[i], made.to[i]));
    return made;
  });

  // How far a line between two boxes of one column leaves it, to go around what stands between.
  function around(sheet, a, b) {
    const x = sheet.x[a];
    const between = Math.abs(sheet.y[b] - sheet.y[a]) / data.row - 1;
    if (between < 1 || Math.abs(x - sheet.x[b]) > 60) return 0;
    let widest = 0;
    for (let step = 1; step <= Math.min(between, 12); step++) {
      for (const box of sheet.rows.get(Math.min(sheet.y[a], sheet.y[b]) + step * data.row) ?? []) {
        const half = sheet.w[box] / 2;
        if (Math.abs(sheet.x[box] - x) < half + 20) widest = Math.max(widest, sheet.x[box] - x + half);
      }
    }
    return widest ? (widest + 18) * (4 / 3) : 0;
  }

  function rowsOf(sheet) {
    const rows = new Map();
    for (let box = 0; box < sheet.count; box++) {
      const y = sheet.y[box];
      if (!rows.has(y)) rows.set(y, []);
      rows.get(y).push(box);
    }
    return rows;
  }

  const isNode = (sheet, box) => box >= sheet.first && box < sheet.first + sheet.nodes.length;
  const endOf = (sheet, box) => (box < sheet.first ? sheet.before[box] : sheet.after[box - sheet.first - sheet.nodes.length]);
  const labelOf = (sheet, box) => (isNode(sheet, box) ? data.operators[sheet.nodes[box - sheet.first]] : endOf(sheet, box)[1]);
  const rowOf = (sheet, box) => $(`n${sheet.number}-${box - sheet.first}`);
  const nameOf = (sheet, box) => (isNode(sheet, box) ? rowOf(sheet, box)?.cells[2].textContent ?? "" : "");

  let current = sheets[0];
  let chosen = -1;
  let view = { x: 0, y: 0, scale: 1 };
  let size = { width: 0, height: 0 };
  let colours = {};
  let waiting = false;

  // --- drawing ---
  function readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ["card", "sunk", "ink", "soft", "line", "strong-line", "link", "bad", "bad-back", "node", "edge", "value", "inner", "inner-line"]) {
      colours[name] = style.getPropertyValue(`--${name}`).trim();
    }
  }

  function redraw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = colours.sunk;
    context.fillRect(0, 0, size.width, size.height);
    context.translate(size.width / 2, size.height / 2);
    context.scale(view.scale, view.scale);
    context.translate(-view.x, -view.y);
    const half = { x: size.width / 2 / view.scale, y: size.height / 2 / view.scale };
    const seen = { left: view.x - half.x, right: view.x + half.x, top: view.y - half.y, bottom: view.y + half.y };
    drawLines(seen);
    drawBoxes(seen);
  }

  function drawLines(seen) {
    const sheet = current;
    const near = [];
    const there = [];
    for (let i = 0; i < sheet.lines; i++) {
      const a = sheet.from[i];
      const b = sheet.to[i];
      const [top, bottom] = sheet.y[a] < sheet.y[b] ? [sheet.y[a], sheet.y[b]] : [sheet.y[b], sheet.y[a]];
      if (bottom < seen.top || top > seen.bottom) continue;
      const [left, right] = sheet.x[a] < sheet.x[b] ? [sheet.x[a], sheet.x[b]] : [sheet.x[b], sheet.x[a]];
      if (right + 320 < seen.left || left > seen.right) continue;
      (a === chosen || b === chosen ? near : there).push(i);
    }
    const straight = view.scale < 0.15 || there.length + near.length > MANY;
    context.strokeStyle = colours.edge;
    context.lineWidth = Math.max(1.3, 0.6 / view.scale);
    for (let start = 0; start < there.length; start += TOGETHER) {
      context.beginPath();
      for (const i of there.slice(start, start + TOGETHER)) trace(sheet, i, straight);
      context.stroke();
    }
    context.beginPath();
    for (const i of near) trace(sheet, i, straight);
    context.strokeStyle = colours.link;
    context.lineWidth = Math.max(2.4, 1.6 / view.scale);
    context.stroke();
    if (view.scale < 0.3) return;
    const chosenLines = new Set(near);
    for (let i = 0; i < sheet.lines; i++) {
      const y = sheet.y[sheet.to[i]];
      const x = sheet.x[sheet.to[i]];
      if (y < seen.top || y > seen.bottom + HEIGHT || x < seen.left || x > seen.right) continue;
      context.fillStyle = chosenLines.has(i) ? colours.link : colours.edge;
      arrow(x, y - HEIGHT / 2);
    }
  }

  function trace(sheet, i, straight) {
    const a = sheet.from[i], b = sheet.to[i], side = sheet.side[i];
    const x1 = sheet.x[a], y1 = sheet.y[a] + HEIGHT / 2, x2 = sheet.x[b], y2 = sheet.y[b] - HEIGHT / 2;
    context.moveTo(x1, y1);
    if (straight) { context.lineTo(x2, y2); return; }
    const reach = y2 > y1 ? Math.min((y2 - y1) / (side ? 4 : 2), 160) : 60;
    context.bezierCurveTo(x1 + side, y1 + reach, x2 + side, y2 - reach, x2, y2);
  }

  function arrow(x, y) {
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x - 4.5, y - 8);
    context.lineTo(x + 4.5, y - 8);
    context.fill();
  }

  function drawBoxes(seen) {
    const sheet = current;
    const words = view.scale > 0.34;
    const far = view.scale < 0.16 ? new Map() : null;
    for (const [y, boxes] of sheet.rows) {
      if (y + HEIGHT < seen.top || y - HEIGHT > seen.bottom) continue;
      for (const box of boxes) {
        const width = sheet.w[box];
        if (sheet.x[box] + width < seen.left || sheet.x[box] - width > seen.right) continue;
        if (far === null) { drawNear(sheet, box, width, words); continue; }
        const colour = box === chosen ? "link" : sheet.marks[box] !== undefined ? "bad" : isNode(sheet, box) ? "strong-line" : "link";
        if (!far.has(colour)) far.set(colour, new Path2D());
        far.get(colour).rect(sheet.x[box] - width / 2, sheet.y[box] - HEIGHT / 2, width, HEIGHT);
      }
    }
    for (const [colour, path] of far ?? []) { // from far away a box is a stroke, and all of one colour are drawn at once
      context.fillStyle = colours[colour];
      context.fill(path);
    }
  }

  function drawNear(sheet, box, width, words) {
    const x = sheet.x[box] - width / 2;
    const y = sheet.y[box] - HEIGHT / 2;
    const node = isNode(sheet, box);
    const opens = sheet.opens[box] !== undefined;
    const mark = sheet.marks[box] !== undefined;
    context.beginPath();
    context.roundRect(x, y, width, HEIGHT, node ? 7 : HEIGHT / 2);
    context.fillStyle = mark ? colours["bad-back"] : !node ? colours.value : opens ? colours.inner : colours.node;
    context.fill();
    context.setLineDash(node || box >= sheet.first || endOf(sheet, box)[0] === "in" ? [] : [5, 4]);
    context.lineWidth = box === chosen ? 3 : 1.3;
    context.strokeStyle = box === chosen ? colours.link : mark ? colours.bad : opens ? colours["inner-line"] : node ? colours["strong-line"] : colours.link;
    context.stroke();
    context.setLineDash([]);
    if (opens) { // a second sheet that looks out below
      context.beginPath();
      context.moveTo(x + 7, y + HEIGHT + 3.5);
      context.lineTo(x + width - 7, y + HEIGHT + 3.5);
      context.stroke();
    }
    if (!words) return;
    context.fillStyle = mark ? colours.bad : colours.ink;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.font = `${node ? 600 : 400} 13px ${font}`;
    const name = view.scale > 0.7 && node ? nameOf(sheet, box) : "";
    const shownLabel = (mark ? "✗ " : "") + labelOf(sheet, box);
    context.fillText(fitted(shownLabel, width - 16), sheet.x[box], sheet.y[box] + (name ? -6.5 : 0.5));
    if (name) {
      context.fillStyle = colours.soft;
      context.font = `10.5px ${font}`;
      context.fillText(fitted(name, width - 14, true), sheet.x[box], sheet.y[box] + 9.5);
    }
  }

  const widths = new Map();
  // As much of a text as there is room for; of names the end, which tells them apart.
  function fitted(text, width, end = false) {
    const key = `${context.font}|${width}|${text}`;
    if (!widths.has(key)) {
      if (widths.size > 20000) widths.clear();
      const letters = Array.from(text);
      let left = letters.length;
      const cut = () => (left === letters.length ? text : end ? `…${letters.slice(-left).join("")}` : `${letters.slice(0, left).join("")}…`);
      while (left > 1 && context.measureText(cut()).width > width) left -= Math.max(1, Math.floor(left / 12));
      widths.set(key, cut());
    }
    return widths.get(key);
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
      ["Node", "", "Name", "Takes", "Gives", "Set to"].forEach((name, cell) => {
        const value = row?.cells[cell]?.textContent;
        if (name && value) for (const part of cell > 2 ? value.split("; ") : [value]) say(name, part), (name = "");
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
  function recolour() { readColours(); draw(); }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  window.addEventListener("beforeprint", () => { document.documentElement.dataset.print = ""; recolour(); });
  window.addEventListener("afterprint", () => { delete document.documentElement.dataset.print; recolour(); });
  readColours();
  $("up").disabled = true;
  new ResizeObserver(measure).observe(canvas);
})();
