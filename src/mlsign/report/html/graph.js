// The picture of a model: a canvas that one moves and zooms in, searches and opens. Everything that comes from a model is set as text.
(() => {
  const source = document.getElementById("graph-data");
  if (!source) return;
  const $ = (id) => document.getElementById(id);
  const canvas = $("picture");
  const model = graphModelOf(JSON.parse(source.textContent));
  const { data, sheets, heightOf, seenAs } = model;
  const painter = painterOf(canvas, model);
  const map = mapOf($("map"), painter, model, (x, y) => { [view.x, view.y] = [x, y]; told(); });
  const details = detailsOf(model, { choose, open, back: (step, inner) => choose(step, boxOf(inner.parent)) });
  const HIGHEST = 58; // of a box
  const READABLE = 0.62; // the scale from which on boxes say their names

  let current = sheets[0];
  let chosen = -1;
  let view = { x: 0, y: 0, scale: 1 };
  let size = { width: 0, height: 0 };
  let rung = new Map(); // boxes that a search has found, by their sheet
  let waiting = false;

  const NOTHING = new Set();
  const state = () => ({ sheet: current, chosen: seenAs(current, chosen), found: rung.get(current) ?? NOTHING, view, size });

  function draw() {
    painter.draw(state());
    map.draw(state());
  }

  function redraw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }

  // --- the view ---
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const smallest = () => Math.min(0.4, fitScale()) * 0.8;
  const fitScale = () => Math.min(size.width / (current.width + 60), size.height / (current.height + HIGHEST + 40));

  function fit() {
    const scale = clamp(fitScale(), 0.002, 1.25);
    view = { x: current.width / 2, y: current.height / 2, scale };
    told();
  }

  // As a whole where its words can be read then, else the beginning, as wide as it is if that can be read.
  function start() {
    if (fitScale() >= READABLE) { fit(); return; }
    const scale = clamp(size.width / (current.width + 60), READABLE + 0.01, 1);
    const tops = current.rows.get(0) ?? [];
    const middle = tops.length ? (current.x[tops[0]] + current.x[tops[tops.length - 1]]) / 2 : 0;
    const fits = size.width / scale >= current.width;
    view = { x: fits ? current.width / 2 : middle, y: size.height / 2 / scale - HIGHEST, scale };
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

  function show(sheet) {
    if (sheet !== current) current.view = view;
    current = sheet;
    chosen = -1;
    $("sheet").value = String(sheet.number);
    $("up").disabled = sheet.parent === null;
    if (sheet.view) { view = sheet.view; told(); } else start();
    details.trail(sheet);
    details.show(sheet, chosen);
  }

  function choose(sheet, box, { centre = true } = {}) {
    if (sheet !== current) show(sheet);
    chosen = box;
    if (centre) {
      const seen = seenAs(sheet, box);
      view.x = sheet.x[seen];
      view.y = sheet.y[seen];
      view.scale = Math.max(view.scale, 0.8);
    }
    told();
    details.show(sheet, box);
  }

  // --- into what is inside of a node, and back ---
  const boxOf = ([number, node]) => sheets[number].first + node;

  function open(number, from, box) {
    if (number) sheets[number].parent = [from.number, box - from.first];
    show(sheets[number]);
    canvas.focus();
  }

  function enterInside(box = chosen) {
    const inner = current.opens[box]?.[0];
    if (inner !== undefined) open(inner, current, box);
    return inner !== undefined;
  }

  function up() {
    if (current.parent) choose(sheets[current.parent[0]], boxOf(current.parent));
  }

  searchOf(model, details, {
    choose,
    ring: (hits) => {
      rung = new Map();
      for (const [sheet, box] of hits) {
        if (!rung.has(sheet)) rung.set(sheet, new Set());
        rung.get(sheet).add(seenAs(sheet, box));
      }
      for (const found of rung.values()) found.changed = true;
      redraw();
    },
  });

  // --- from node to node, for keys ---
  function nearest() {
    let best = -1;
    let least = Infinity;
    for (let box = 0; box < current.count; box++) {
      if (!current.w[box]) continue;
      const far = Math.hypot(current.x[box] - view.x, current.y[box] - view.y);
      if (far < least) [best, least] = [box, far];
    }
    return best;
  }

  function step(by) {
    let box = chosen < 0 ? (by > 0 ? -1 : 0) : chosen;
    for (let tries = 0; tries < current.count; tries++) {
      box = (box + by + current.count) % current.count;
      if (current.w[box]) { choose(current, box); return; }
    }
  }

  function enter() {
    const box = chosen < 0 ? nearest() : chosen;
    if (box < 0) return;
    choose(current, box, { centre: false });
    $("details").focus();
  }

  function unchoose() {
    chosen = -1;
    redraw();
    details.show(current, chosen);
  }

  handsOn(canvas, model, state, { pan, zoom, fit, start, step, enter, up, choose, unchoose, enterInside });

  $("in").addEventListener("click", () => zoom(1.25));
  $("out").addEventListener("click", () => zoom(0.8));
  $("fit").addEventListener("click", fit);
  $("up").addEventListener("click", up);
  $("sheet").addEventListener("change", (event) => show(sheets[Number(event.target.value)]));
  const links = linksOf(model, { show, choose });

  // --- size, colours, paper ---
  function measure() {
    if (!canvas.clientWidth) return; // not to be seen just now; what was chosen stays
    const ratio = window.devicePixelRatio || 1;
    const first = !size.width;
    size = { width: canvas.clientWidth, height: canvas.clientHeight };
    canvas.width = Math.round(size.width * ratio);
    canvas.height = Math.round(size.height * ratio);
    if (first && size.width) { show(current); links.follow(); }
    draw();
  }
  function recolour() { painter.readColours(); draw(); }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  let before = null; // on paper all of a sheet that can be read as a whole is shown
  window.addEventListener("beforeprint", () => {
    document.documentElement.dataset.print = "";
    before = view;
    if (fitScale() >= 0.34) fit();
    recolour();
  });
  window.addEventListener("afterprint", () => {
    delete document.documentElement.dataset.print;
    if (before) [view, before] = [before, null];
    told();
    recolour();
  });
  painter.readColours();
  $("up").disabled = true;
  measure(); // before anybody can have searched or chosen anything
  new ResizeObserver(measure).observe(canvas);
})();
