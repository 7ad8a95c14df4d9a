// The model as its page has it: sheets with boxes and lines as numbers, and words that stand in the lists of nodes.
function graphModelOf(data) {
  const byId = (id) => document.getElementById(id);

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
  const rowOf = (sheet, box) => byId(`n${sheet.number}-${box - sheet.first}`);
  const nameOf = (sheet, box) => (isNode(sheet, box) ? rowOf(sheet, box)?.cells[2].textContent ?? "" : "");

  return { data, sheets, isNode, endOf, labelOf, rowOf, nameOf };
}
