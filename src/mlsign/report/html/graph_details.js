// What there is to say of the node that is chosen, beside the picture. Its words are those of the lists and tables of the page.
function detailsOf({ sheets, isNode, endOf, labelOf, nameOf, rowOf }, go) {
  const MAX_NEIGHBOURS = 12;
  const MAX_WEIGHTS = 4;
  const out = document.getElementById("details");

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

  function show(sheet, box) {
    out.replaceChildren();
    if (box < 0) {
      const nodes = sheet.nodes.length;
      out.append(make("h3", sheet.title), make("p", `${nodes.toLocaleString("en")} ${nodes === 1 ? "node" : "nodes"}${sheet.left ? `, ${sheet.left.toLocaleString("en")} more not drawn` : ""}. Choose one in the picture, or search.`, { class: "note" }));
      return;
    }
    out.append(make("h3", labelOf(sheet, box)));
    for (const code of sheet.marks[box]?.split(", ") ?? []) out.append(finding(code));
    const list = make("dl", undefined, { class: "facts narrow" });
    const say = (name, value) => { if (value) list.append(make("dt", name), make("dd", value)); };
    if (isNode(sheet, box)) {
      const operator = rowOf(sheet, box)?.cells[1].firstChild?.textContent.trim(); // with its domain: any may have a Relu
      if (operator !== labelOf(sheet, box)) say("Operator", operator);
      ["Node", "", "Name", "Inputs", "Outputs", "Attributes"].forEach((name, cell) => {
        const lines = Array.from(rowOf(sheet, box)?.cells[cell]?.childNodes ?? [], (line) => line.textContent).filter(Boolean);
        if (name) lines.forEach((line, at) => say(at ? "" : name, line));
      });
      if (!sheet.w[box]) say("Drawn", "in the nodes that take it");
    } else {
      const [kind, , type] = endOf(sheet, box);
      say("Is", { in: "an input", out: "an output", around: "a value of the graph around" }[kind]);
      say("Type", type);
    }
    list.querySelectorAll("dt:empty").forEach((each) => each.remove());
    out.append(list);
    for (const number of sheet.opens[box] ?? []) out.append(button(`Open ${sheets[number].title}`, () => go.open(number, sheet, box)));
    if (isNode(sheet, box)) weights(sheet, box);
    neighbours(sheet, box, "Comes from", sheet.to, sheet.from);
    neighbours(sheet, box, "Goes to", sheet.from, sheet.to);
    if (isNode(sheet, box)) out.append(make("p", undefined, { class: "note" }));
    if (isNode(sheet, box)) out.lastChild.append(make("a", "link to this node", { href: `#${rowOf(sheet, box).id}` }));
  }

  // A code leads to the finding that says more; one that is not listed is a word.
  function finding(code) {
    const made = make("p", undefined, { class: "badge bad" });
    const there = document.getElementById(`finding-${code}`);
    made.append("✗ ", there ? make("a", code, { href: `#${there.id}` }) : code);
    return made;
  }

  // Histograms of what the node takes, from the table of weights, whose rows lead to nodes.
  function weights(sheet, box) {
    const rows = Array.from(document.querySelectorAll(`#weights-table a[href="#${rowOf(sheet, box).id}"]`), (link) => link.closest("tr"));
    for (const row of rows.slice(0, MAX_WEIGHTS)) {
      const name = row.cells[0].querySelector("code").textContent;
      out.append(make("h4", `Weights ${name}`), make("div", row.cells[1].textContent, { class: "note" }));
      out.append(...Array.from(row.cells[3].childNodes, (each) => each.cloneNode(true)), ...Array.from(row.cells[4].childNodes, (each) => each.cloneNode(true)));
    }
    if (rows.length > MAX_WEIGHTS) out.append(make("p", `and ${rows.length - MAX_WEIGHTS} more weights`, { class: "note" }));
  }

  function neighbours(sheet, box, title, mine, other) {
    const found = [];
    for (let i = 0; i < sheet.lines && found.length <= MAX_NEIGHBOURS; i++) if (mine[i] === box) found.push(other[i]);
    if (!found.length) return;
    const row = make("div", undefined, { class: "row" });
    for (const near of found.slice(0, MAX_NEIGHBOURS)) {
      const made = button(labelOf(sheet, near), () => go.choose(sheet, near));
      if (nameOf(sheet, near)) made.title = nameOf(sheet, near);
      row.append(made);
    }
    out.append(make("h4", title), row);
    if (found.length > MAX_NEIGHBOURS) out.append(make("p", "and more", { class: "note" }));
  }

  // The way from the main graph to a sheet, each step but the last a button. A function that calls itself is passed once.
  function trail(sheet) {
    const steps = [];
    for (let at = sheet; at && !steps.includes(at); at = at.parent && sheets[at.parent[0]]) steps.unshift(at);
    const list = document.getElementById("trail");
    list.replaceChildren(...steps.map((step) => {
      const item = make("li");
      if (step === sheet) item.append(make("b", step.title, { "aria-current": "location" }));
      else item.append(button(step.title, () => go.back(step, steps[steps.indexOf(step) + 1])));
      return item;
    }));
    list.hidden = steps.length < 2;
  }

  return { show, trail, make, button };
}
