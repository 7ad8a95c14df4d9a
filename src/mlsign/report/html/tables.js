"use strict";
// Filter boxes of tables. A box names its table in data-filters; rows that do not have the words are hidden, and the number that is
// left is said. On paper folded findings are open.
document.documentElement.classList.add("scripted");

for (const box of document.querySelectorAll("input[data-filters]")) {
  const table = document.getElementById(box.dataset.filters);
  const told = document.getElementById(box.dataset.tells);
  const rows = Array.from(table.tBodies[0].rows, (row) => [row, row.textContent.toLowerCase()]);
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      left += row.hidden ? 0 : 1;
    }
    told.textContent = `${left} of ${rows.length} shown`;
  });
}

// A digest can be copied. Where a browser does not let a page do that, all of it is marked, for the keys that everybody has.
for (const each of document.querySelectorAll("code[data-copy]")) {
  const made = document.createElement("button");
  [made.type, made.textContent, made.className] = ["button", "Copy", "copy needs-script"];
  made.setAttribute("aria-label", `Copy ${each.textContent.slice(0, 20)}…`);
  made.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(each.textContent);
      made.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(each);
      made.textContent = "Marked: press Ctrl+C";
    }
  });
  each.after(" ", made);
}

window.addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("#findings details:not([open])")) [each.open, each.dataset.folded] = [true, ""];
});
window.addEventListener("afterprint", () => {
  for (const each of document.querySelectorAll("details[data-folded]")) { each.open = false; delete each.dataset.folded; }
});
