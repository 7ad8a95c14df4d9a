// Draws sheets on a canvas: no more than is in view, and no more of it than can be seen from there.
function painterOf(canvas, { data, isNode, endOf, labelOf, nameOf }) {
  const context = canvas.getContext("2d");
  const HEIGHT = painterOf.HEIGHT;
  const MANY = 2500; // lines in sight, from which on they are drawn straight
  const TOGETHER = 200; // lines of one path: what crosses itself in thousands of places is slow to fill
  const font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";
  const colours = {};
  let current, chosen, view, size;

  function readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ["card", "sunk", "ink", "soft", "line", "strong-line", "link", "bad", "bad-back", "node", "edge", "value", "inner", "inner-line"]) {
      colours[name] = style.getPropertyValue(`--${name}`).trim();
    }
  }

  // The part of a sheet that is in view, with the chosen box and its lines set off.
  function draw(state) {
    ({ sheet: current, chosen, view, size } = state);
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
      const lane = Number.isNaN(sheet.lane[i]) ? sheet.x[a] : sheet.lane[i];
      if (Math.max(sheet.x[a], sheet.x[b], lane) < seen.left || Math.min(sheet.x[a], sheet.x[b], lane) > seen.right) continue;
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
    const a = sheet.from[i], b = sheet.to[i], lane = sheet.lane[i];
    const x1 = sheet.x[a], y1 = sheet.y[a] + HEIGHT / 2, x2 = sheet.x[b], y2 = sheet.y[b] - HEIGHT / 2;
    const bend = (fromX, fromY, toX, toY, reach) => {
      if (straight) context.lineTo(toX, toY);
      else context.bezierCurveTo(fromX, fromY + reach, toX, toY - reach, toX, toY);
    };
    context.moveTo(x1, y1);
    if (Number.isNaN(lane)) { bend(x1, y1, x2, y2, y2 > y1 ? Math.min((y2 - y1) / 2, 160) : 60); return; }
    const turn = data.row - HEIGHT; // between two rows is where a line may go aside
    bend(x1, y1, lane, y1 + turn, turn / 2);
    context.lineTo(lane, y2 - turn);
    bend(lane, y2 - turn, x2, y2, turn / 2);
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

  return { draw, readColours };
}
painterOf.HEIGHT = 40;
