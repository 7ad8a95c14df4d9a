// Hands on the picture: pointers, wheel and keys. What they ask for is for ``go`` to do.
function handsOn(canvas, { data, heightOf }, state, go) {
  const at = (event) => ({ x: event.clientX - canvas.getBoundingClientRect().left, y: event.clientY - canvas.getBoundingClientRect().top });

  function boxAt(point) {
    const { sheet, view, size } = state();
    const x = (point.x - size.width / 2) / view.scale + view.x;
    const y = (point.y - size.height / 2) / view.scale + view.y;
    const row = sheet.rows.get(Math.round(y / data.row) * data.row) ?? [];
    const slack = Math.max(0, 6 / view.scale - 6);
    return row.find((box) => Math.abs(sheet.x[box] - x) <= sheet.w[box] / 2 + slack && Math.abs(sheet.y[box] - y) <= heightOf(sheet, box) / 2 + slack) ?? -1;
  }

  pointersOn(canvas, at, {
    ...go,
    over: (point) => canvas.classList.toggle("over", boxAt(point) >= 0),
    choose: (point) => {
      const box = boxAt(point);
      if (box >= 0) go.choose(state().sheet, box, { centre: false });
      else go.unchoose();
    },
  });
  canvas.addEventListener("dblclick", (event) => {
    const box = boxAt(at(event));
    if (box < 0 || !go.enterInside(box)) go.zoom(1.6, at(event));
  });
  canvas.addEventListener("wheel", (event) => {
    // A page that one scrolls through is not caught by a picture on the way.
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== canvas) return;
    event.preventDefault();
    go.zoom(Math.exp(-Math.min(Math.max(event.deltaY, -120), 120) * 0.0022), at(event));
  }, { passive: false });
  keysOn(canvas, go);
}

// One pointer moves the picture or chooses, two zoom.
function pointersOn(canvas, at, go) {
  const pointers = new Map();
  let moved = 0;

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    moved = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    const now = at(event);
    if (!before) { go.over(now); return; }
    if (pointers.size === 2) {
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
      const apart = (a, b) => Math.hypot(a.x - b.x, a.y - b.y) || 1;
      go.zoom(apart(now, other) / apart(before, other), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
      moved = 99;
    } else {
      moved += Math.abs(now.x - before.x) + Math.abs(now.y - before.y);
      go.pan(before.x - now.x, before.y - now.y);
    }
    pointers.set(event.pointerId, now);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(kind, (event) => {
      if (pointers.delete(event.pointerId) && kind === "pointerup" && moved < 6) go.choose(at(event));
    });
  }
}

function keysOn(canvas, go) {
  const keys = {
    ArrowLeft: () => go.pan(-80, 0), ArrowRight: () => go.pan(80, 0), ArrowUp: () => go.pan(0, -80), ArrowDown: () => go.pan(0, 80),
    "+": () => go.zoom(1.25), "=": () => go.zoom(1.25), "-": () => go.zoom(0.8), 0: go.fit, Home: go.start,
    n: () => go.step(1), p: () => go.step(-1), Enter: go.enter, Backspace: go.up,
    o: () => go.enterInside(),
    "/": () => document.getElementById("search").focus(),
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
}
