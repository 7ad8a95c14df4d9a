// The model as its page has it: sheets with boxes and lines as numbers, and words that stand in the lists of nodes.
function graphModelOf(data) {
  const byId = (id) => document.getElementById(id);
  const LOW = 42; // of a box
  const TALL = 58; // of one that tells of its weights
  const ROOM = 14; // between a line and the boxes that it passes
  const BESIDE = 9; // between two lines side by side
  const MAX_BESIDE = 16; // of them on each side
  const MAX_ROWS = 300; // that a line passes on a way of its own
  const MAX_LOOKED = 5e5; // boxes that are looked at for such ways
  let looked = 0;

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
    made.drawn = Array.from(made.from.keys()).filter((i) => made.w[made.from[i]] && made.w[made.to[i]]);
    made.width = made.x.reduce((most, x, box) => Math.max(most, x + sheet.w[box] / 2), 0);
    made.height = made.y.reduce((most, y) => Math.max(most, y), 0);
    made.rows = rowsOf(made);
    made.lane = lanesOf(made);
    made.seenIn = new Map(); // constants that are told in boxes, by the first of these
    for (let i = 0; i < lines; i++) if (!made.w[made.from[i]] && !made.seenIn.has(made.from[i])) made.seenIn.set(made.from[i], made.to[i]);
    made.begins = new Set(made.drawn.map((i) => made.from[i]));
    return made;
  });
  for (const sheet of sheets) { // a function opens from many nodes: its way back is the first, until it is opened from another
    for (const [box, opened] of Object.entries(sheet.opens)) {
      for (const inner of opened) sheets[inner].parent ??= inner === 0 ? null : [sheet.number, Number(box) - sheet.first];
    }
  }

  // Where each line that has rows of boxes to pass goes down between them: near its ends, and beside the lines of other boxes, short
  // ones innermost. NaN for one that has none to pass, or goes up, or is one too many to be looked at.
  function lanesOf(sheet) {
    const lanes = new Float64Array(sheet.lines).fill(NaN);
    const long = (i) => sheet.y[sheet.to[i]] - sheet.y[sheet.from[i]];
    const used = new Map(); // by row: the lanes there, each with the box that its lines come from
    for (const i of sheet.drawn.toSorted((one, other) => long(one) - long(other))) {
      const [from, to, rows] = [sheet.from[i], sheet.to[i], long(i) / data.row - 1];
      if (rows < 1 || rows > MAX_ROWS || looked > MAX_LOOKED) continue;
      const passed = Array.from({ length: rows }, (_, step) => sheet.y[from] + (step + 1) * data.row);
      const boxes = passed.flatMap((y) => sheet.rows.get(y) ?? []);
      const others = new Set();
      for (const y of passed) {
        for (const [lane, box] of used.get(y) ?? []) if (box !== from) others.add(lane);
        looked += 1 + (used.get(y)?.size ?? 0) / 8;
      }
      looked += boxes.length;
      lanes[i] = laneBetween(sheet, from, to, boxes, [...others]);
      for (const y of passed) {
        if (!used.has(y)) used.set(y, new Map());
        used.get(y).set(lanes[i], from);
      }
    }
    return lanes;
  }

  function laneBetween(sheet, from, to, boxes, others) {
    const blocks = [];
    for (const [left, right] of boxes.map((box) => [sheet.x[box] - sheet.w[box] / 2 - ROOM, sheet.x[box] + sheet.w[box] / 2 + ROOM]).sort((one, other) => one[0] - other[0])) {
      const last = blocks[blocks.length - 1];
      if (last && left < last[1]) last[1] = Math.max(last[1], right);
      else blocks.push([left, right]);
    }
    const isFree = (x) => blocks.every(([left, right]) => x <= left || x >= right);
    const way = (x) => Math.abs(x - sheet.x[from]) + 1.01 * Math.abs(x - sheet.x[to]);
    const straight = [sheet.x[from], sheet.x[to]].filter(isFree);
    const lane = [...straight, ...blocks.flat()].reduce((best, x) => (way(x) < way(best) ? x : best));
    const beside = Array.from({ length: 2 * MAX_BESIDE + 1 }, (_, step) => lane + Math.ceil(step / 2) * BESIDE * (step % 2 ? 1 : -1));
    return beside.find((x) => isFree(x) && others.every((other) => Math.abs(other - x) >= BESIDE)) ?? lane;
  }

  function rowsOf(sheet) {
    const rows = new Map();
    for (let box = 0; box < sheet.count; box++) {
      if (!sheet.w[box]) continue; // a constant that is told in the boxes that take it
      const y = sheet.y[box];
      if (!rows.has(y)) rows.set(y, []);
      rows.get(y).push(box);
    }
    return rows;
  }

  const isNode = (sheet, box) => box >= sheet.first && box < sheet.first + sheet.nodes.length;
  const endOf = (sheet, box) => (box < sheet.first ? sheet.before[box] : sheet.after[box - sheet.first - sheet.nodes.length]);
  const labelOf = (sheet, box) => (isNode(sheet, box) ? data.operators[sheet.nodes[box - sheet.first]] : endOf(sheet, box)[1]);
  const rowOf = (sheet, box) => byId(`n${sheet.number}-${box - sheet.first}`);
  const nameOf = (sheet, box) => (isNode(sheet, box) ? rowOf(sheet, box)?.cells[2].textContent ?? "" : "");

  const weightsOf = (sheet, box) => (isNode(sheet, box) ? data.texts[sheet.weights[box - sheet.first]] : "");
  const heightOf = (sheet, box) => (weightsOf(sheet, box) ? TALL : LOW);
  const familyOf = (sheet, box) => (isNode(sheet, box) ? data.families[sheet.family[box - sheet.first]] : "");
  // Where a box is seen: a constant in the first one that takes it.
  const seenAs = (sheet, box) => sheet.seenIn.get(box) ?? box;
  // What goes out of a box, for its lines: types as far as they are known, else the name of the only value, if it says more than the box.
  function givesOf(sheet, box) {
    if (!isNode(sheet, box)) return endOf(sheet, box)[2];
    const types = data.texts[sheet.gives[box - sheet.first]];
    if (types) return types;
    const cell = rowOf(sheet, box)?.cells[4];
    const name = cell?.childNodes.length === 1 ? cell.textContent : "";
    return nameOf(sheet, box) && name.startsWith(nameOf(sheet, box)) ? "" : name;
  }

  return { data, sheets, isNode, endOf, labelOf, rowOf, nameOf, weightsOf, heightOf, familyOf, seenAs, givesOf };
}
