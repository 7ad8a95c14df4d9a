// A small map of the sheet in a corner of its picture, for as long as not all of it is in view: where one is, and a way elsewhere.
function mapOf(canvas, painter, { heightOf }, moveTo) {
  const context = canvas.getContext("2d");
  const WIDEST = 150, HIGHEST = 190, LEAST = 44;
  const LEAST_DOT = 1.5; // of a box, on each side
  const kept = document.createElement("canvas"); // the boxes: drawn again when something about them has changed, not when one moves
  let keptOf = "";
  let place = null;

  function draw({ sheet, chosen, found, view, size }) {
    const half = { x: size.width / 2 / view.scale, y: size.height / 2 / view.scale };
    const whole = { left: -40, top: -50, width: sheet.width + 80, height: sheet.height + 100 };
    canvas.hidden = half.x * 2 >= whole.width * 0.98 && half.y * 2 >= whole.height * 0.98;
    if (canvas.hidden || !sheet.count) return;
    // Each way has a scale of its own: a chain of thousands would be a hair otherwise.
    const scale = Math.min(WIDEST / whole.width, HIGHEST / whole.height);
    const width = Math.max(whole.width * scale, LEAST), height = Math.max(whole.height * scale, LEAST);
    place = { whole, x: width / whole.width, y: height / whole.height };
    const ratio = window.devicePixelRatio || 1;
    const of = [sheet.number, chosen, found.size, painter.colours.sunk, ratio].join();
    if (of !== keptOf || found.changed) drawBoxes(sheet, { chosen, found }, width, height, ratio);
    [keptOf, found.changed] = [of, false];
    canvas.width = kept.width;
    canvas.height = kept.height;
    context.drawImage(kept, 0, 0);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.strokeStyle = painter.colours.ink;
    context.lineWidth = 1.5;
    const seen = [(view.x - half.x - whole.left) * place.x, (view.y - half.y - whole.top) * place.y];
    const [left, top] = [Math.max(seen[0], 1), Math.max(seen[1], 1)];
    const right = Math.min(seen[0] + half.x * 2 * place.x, width - 1), bottom = Math.min(seen[1] + half.y * 2 * place.y, height - 1);
    context.strokeRect(left, top, Math.max(right - left, 3), Math.max(bottom - top, 3));
  }

  function drawBoxes(sheet, state, width, height, ratio) {
    [kept.width, kept.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    const into = kept.getContext("2d");
    into.setTransform(ratio, 0, 0, ratio, 0, 0);
    into.fillStyle = painter.colours.card;
    into.fillRect(0, 0, width, height);
    const late = []; // what is looked for is not covered by what is not
    for (let box = 0; box < sheet.count; box++) {
      if (!sheet.w[box]) continue;
      const colour = painter.farColour(sheet, box, state);
      if (colour === "bad" || colour === "warning" || box === state.chosen) late.push([box, colour]);
      else dot(into, sheet, box, colour, LEAST_DOT);
    }
    for (const [box, colour] of late) dot(into, sheet, box, colour, LEAST_DOT * 2);
  }

  function dot(into, sheet, box, colour, least) {
    const width = Math.max(sheet.w[box] * place.x, least), height = Math.max(heightOf(sheet, box) * place.y, least);
    into.fillStyle = painter.colours[colour];
    into.fillRect((sheet.x[box] - place.whole.left) * place.x - width / 2, (sheet.y[box] - place.whole.top) * place.y - height / 2, width, height);
  }

  const go = (event) => moveTo(event.offsetX / place.x + place.whole.left, event.offsetY / place.y + place.whole.top);
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); go(event); });
  canvas.addEventListener("pointermove", (event) => { if (event.buttons) go(event); });
  return { draw };
}
