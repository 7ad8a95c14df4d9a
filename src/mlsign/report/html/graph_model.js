// The model as its page has it: sheets with boxes and lines as numbers, and words that stand in the lists of nodes.
function graphModelOf(data) {
  const byId = (id) => document.getElementById(id);
  const ROOM = 14; // between a line and the boxes that it passes
  const MAX_ROWS = 300; // that a line passes on a way of its own
  const MAX_LOOKED = 1e6; // boxes that are looked at for such ways
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
    made.width = made.x.reduce((most, x, box) => Math.max(most, x + sheet.w[box] / 2), 0);
    made.height = made.y.reduce((most, y) => Math.max(most, y), 0);
    made.rows = rowsOf(made);
    made.lane = Float64Array.from({ length: lines }, (_, i) => laneOf(made, made.from[i], made.to[i]));
    return made;
  });

  // Where a line that has rows of boxes to pass goes down between them: the free place nearest to its ends. NaN where it has none to
  // pass, or goes up, or is one too many to be looked at.
  function laneOf(sheet, a, b) {
    const from = sheet.x[a];
    const to = sheet.x[b];
    const rows = (sheet.y[b] - sheet.y[a]) / data.row - 1;
    if (rows < 1 || rows > MAX_ROWS || looked > MAX_LOOKED) return NaN;
    const taken = [];
    for (let y = sheet.y[a] + data.row; y < sheet.y[b]; y += data.row) {
      for (const box of sheet.rows.get(y) ?? []) taken.push([sheet.x[box] - sheet.w[box] / 2 - ROOM, sheet.x[box] + sheet.w[box] / 2 + ROOM]);
    }
    looked += rows + taken.length;
    taken.sort((one, other) => one[0] - other[0]);
    const blocks = [];
    for (const [left, right] of taken) {
      const last = blocks[blocks.length - 1];
      if (last && left < last[1]) last[1] = Math.max(last[1], right);
      else blocks.push([left, right]);
    }
    const isFree = (x) => blocks.every(([left, right]) => x <= left || x >= right);
    const way = (x) => Math.abs(x - from) + 1.01 * Math.abs(x - to);
    const lane = [from, to, ...blocks.flat()].filter(isFree).reduce((best, x) => (way(x) < way(best) ? x : best), blocks[0]?.[0] ?? from);
    return lane + (a % 3 - 1) * 4; // lines from different boxes lie side by side
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
  const rowOf = (sheet, box) => byId(`n${sheet.number}-${box - sheet.first}`);
  const nameOf = (sheet, box) => (isNode(sheet, box) ? rowOf(sheet, box)?.cells[2].textContent ?? "" : "");

  return { data, sheets, isNode, endOf, labelOf, rowOf, nameOf };
}
