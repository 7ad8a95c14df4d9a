// Draws sheets on a canvas: no more than is in view, and no more of it than can be seen from there.
function painterOf(canvas, { data, isNode, endOf, labelOf, nameOf, weightsOf, heightOf, familyOf, givesOf }) {
  const context = canvas.getContext("2d");
  const HIGHEST = 58;
  const LINE = 14.5; // of words in a box
  const MANY = 2500; // lines in sight, from which on they are drawn straight
  const TOGETHER = 200; // lines of one path: what crosses itself in thousands of places is slow to fill
  const font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";
  const colours = {};
  let current, chosen, found, view, size;

  function readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ["card", "sunk", "ink", "soft", "line", "strong-line", "link", "bad", "bad-back", "warning", "node", "edge", "value", "inner", "inner-line", ...data.families.map((name) => `family-${name}`)]) {
      colours[name] = style.getPropertyValue(`--${name}`).trim();
    }
  }

  // The part of a sheet that is in view, with the chosen box and its lines set off.
  function draw(state) {
    ({ sheet: current, chosen, found, view, size } = state);
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
    if (view.scale > 0.62) drawValues(seen);
  }

  function drawLines(seen) {
    const sheet = current;
    const near = [];
    const there = [];
    for (const i of sheet.drawn) {
      const a = sheet.from[i];
      const b = sheet.to[i];
      const [top, bottom] = sheet.y[a] < sheet.y[b] ? [sheet.y[a], sheet.y[b]] : [sheet.y[b], sheet.y[a]];
      if (bottom < seen.top || top > seen.bottom) continue;
      const lane = Number.isNaN(sheet.lane[i]) ? sheet.x[a] : sheet.lane[i];
      if (Math.max(sheet.x[a], sheet.x[b], lane) < seen.left || Math.min(sheet.x[a], sheet.x[b], lane) > seen.right) continue;
      (a === chosen || b === chosen ? near : there).push(i);
    }
    const straight = view.scale < 0.15 || there.length + near.length > MANY;
    strokeLines(sheet, there, straight, colours.edge, Math.max(1.3, 0.6 / view.scale));
    strokeLines(sheet, near, straight, colours.link, Math.max(2.4, 1.6 / view.scale));
    if (view.scale < 0.3) return;
    const chosenLines = new Set(near);
    for (const i of sheet.drawn) {
      const y = sheet.y[sheet.to[i]];
      const x = sheet.x[sheet.to[i]];
      if (y < seen.top || y > seen.bottom + HIGHEST || x < seen.left || x > seen.right) continue;
      context.fillStyle = chosenLines.has(i) ? colours.link : colours.edge;
      arrow(x, y - heightOf(sheet, sheet.to[i]) / 2);
    }
  }

  function strokeLines(sheet, lines, straight, colour, width) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    for (let start = 0; start < lines.length; start += TOGETHER) {
      context.beginPath();
      for (const i of lines.slice(start, start + TOGETHER)) trace(sheet, i, straight);
      context.stroke();
    }
  }

  function trace(sheet, i, straight) {
    const a = sheet.from[i], b = sheet.to[i], lane = sheet.lane[i];
    const x1 = sheet.x[a], y1 = sheet.y[a] + heightOf(sheet, a) / 2, x2 = sheet.x[b], y2 = sheet.y[b] - heightOf(sheet, b) / 2;
    const bend = (fromX, fromY, toX, toY, reach) => {
      if (straight) context.lineTo(toX, toY);
      else context.bezierCurveTo(fromX, fromY + reach, toX, toY - reach, toX, toY);
    };
    context.moveTo(x1, y1);
    if (Number.isNaN(lane)) { bend(x1, y1, x2, y2, y2 > y1 ? Math.min((y2 - y1) / 2, 160) : 60); return; }
    const half = (data.row - HIGHEST) / 2; // between two rows is where a line may go aside
    const [turn, back] = [sheet.y[a] + data.row / 2 + half, sheet.y[b] - data.row / 2 - half];
    bend(x1, y1, lane, turn, (turn - y1) / 2);
    context.lineTo(lane, back);
    bend(lane, back, x2, y2, (y2 - back) / 2);
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
    const far = view.scale < 0.16 ? new Map() : null;
    for (const [y, boxes] of sheet.rows) {
      if (y + HIGHEST < seen.top || y - HIGHEST > seen.bottom) continue;
      for (const box of boxes) {
        const width = sheet.w[box];
        if (sheet.x[box] + width < seen.left || sheet.x[box] - width > seen.right) continue;
        if (far === null) { drawNear(sheet, box, width); continue; }
        const colour = farColour(sheet, box, { chosen, found });
        if (!far.has(colour)) far.set(colour, new Path2D());
        const height = heightOf(sheet, box);
        far.get(colour).rect(sheet.x[box] - width / 2, sheet.y[box] - height / 2, width, height);
      }
    }
    for (const [colour, path] of far ?? []) { // from far away a box is a stroke, and all of one colour are drawn at once
      context.fillStyle = colours[colour];
      context.fill(path);
    }
  }

  function farColour(sheet, box, state) {
    if (box === state.chosen) return "link";
    if (state.found.has(box)) return "warning";
    if (sheet.marks[box] !== undefined) return "bad";
    return isNode(sheet, box) ? `family-${familyOf(sheet, box)}` : "link";
  }

  function drawNear(sheet, box, width) {
    const height = heightOf(sheet, box);
    const x = sheet.x[box] - width / 2;
    const y = sheet.y[box] - height / 2;
    const node = isNode(sheet, box);
    const opens = sheet.opens[box] !== undefined;
    const mark = sheet.marks[box] !== undefined;
    const family = familyOf(sheet, box);
    const corner = !node ? height / 2 : family === "moving" ? 1.5 : family === "activation" ? 15 : 7;
    if (found.has(box)) ring(x, y, width, height, corner);
    context.beginPath();
    context.roundRect(x, y, width, height, corner);
    context.fillStyle = mark ? colours["bad-back"] : !node ? colours.value : opens ? colours.inner : colours.node;
    context.fill();
    if (node) {
      context.save();
      context.clip();
      context.fillStyle = colours[`family-${family}`];
      context.fillRect(x, y, 7, height);
      context.restore();
    }
    context.setLineDash(node || box >= sheet.first || endOf(sheet, box)[0] === "in" ? [] : [5, 4]);
    context.lineWidth = box === chosen ? 3 : 1.3;
    context.strokeStyle = box === chosen ? colours.link : mark ? colours.bad : opens ? colours["inner-line"] : node ? colours["strong-line"] : colours.link;
    context.stroke();
    context.setLineDash([]);
    if (opens) { // a second sheet that looks out below
      context.beginPath();
      context.moveTo(x + 7, y + height + 3.5);
      context.lineTo(x + width - 7, y + height + 3.5);
      context.stroke();
    }
    if (view.scale > 0.34) drawWords(sheet, box, width, mark);
  }

  function ring(x, y, width, height, corner) {
    context.beginPath();
    context.roundRect(x - 5, y - 5, width + 10, height + 10, corner + 5);
    context.strokeStyle = colours.warning;
    context.lineWidth = Math.max(3, 1.6 / view.scale);
    context.stroke();
  }

  function drawWords(sheet, box, width, mark) {
    const node = isNode(sheet, box);
    const near = node && view.scale > 0.62;
    const label = `${mark ? "✗ " : ""}${labelOf(sheet, box)}${sheet.opens[box] ? " ⊞" : ""}`;
    const lines = [[label, `${node ? 600 : 400} 13px ${font}`, mark ? colours.bad : colours.ink, false]];
    const name = near ? nameOf(sheet, box) : "";
    const weights = near ? weightsOf(sheet, box) : "";
    if (name) lines.push([name, `10.5px ${font}`, colours.soft, true]);
    if (weights) lines.push([weights, `10.5px ${font}`, mark ? colours.ink : colours.link, false]);
    context.textAlign = "center";
    context.textBaseline = "middle";
    lines.forEach(([text, style, colour, end], at) => {
      context.font = style;
      context.fillStyle = colour;
      context.fillText(fitted(text, width - 20, end), sheet.x[box] + (node ? 3 : 0), sheet.y[box] + 0.5 + (at - (lines.length - 1) / 2) * LINE);
    });
  }

  // What goes down the lines, right below where they begin.
  function drawValues(seen) {
    const sheet = current;
    context.font = `10.5px ${font}`;
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.strokeStyle = colours.sunk;
    context.lineWidth = 3;
    context.lineJoin = "round";
    for (const [y, boxes] of sheet.rows) {
      if (y + data.row < seen.top || y - HIGHEST > seen.bottom) continue;
      for (const box of boxes) {
        if (!sheet.begins.has(box) || sheet.x[box] + 200 < seen.left || sheet.x[box] > seen.right) continue;
        const text = fitted(givesOf(sheet, box), Math.max(sheet.w[box] * 0.75, 110));
        if (!text) continue;
        const at = [sheet.x[box] + 6, y + heightOf(sheet, box) / 2 + (sheet.opens[box] ? 13 : 10)];
        context.strokeText(text, ...at);
        context.fillStyle = box === chosen ? colours.link : colours.soft;
        context.fillText(text, ...at);
      }
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

  return { draw, readColours, colours, farColour };
}
