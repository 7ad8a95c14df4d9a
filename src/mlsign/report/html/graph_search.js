// Search in the words of the lists, so that nothing is on the page twice: hits are counted, listed, ringed in the picture and walked.
function searchOf({ sheets, labelOf, nameOf, rowOf }, { make, button }, go) {
  const MAX_RESULTS = 60;
  const field = document.getElementById("search");
  const list = document.getElementById("results");
  const told = document.getElementById("count");
  let words = null;
  let hits = [];
  let at = -1;

  function searchable() {
    words ??= sheets.flatMap((sheet) => sheet.nodes.map((_, index) => {
      const box = sheet.first + index;
      return [sheet, box, rowOf(sheet, box)?.textContent.toLowerCase() ?? ""];
    }).concat(sheet.before.map((end, box) => [sheet, box, end[1].toLowerCase()]),
      sheet.after.map((end, i) => [sheet, sheet.first + sheet.nodes.length + i, end[1].toLowerCase()])));
    return words;
  }

  function search() {
    const wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    hits = wanted.length ? searchable().filter(([, , text]) => wanted.every((word) => text.includes(word))) : [];
    at = -1;
    list.replaceChildren(...hits.slice(0, MAX_RESULTS).map(([sheet, box], index) => {
      const name = nameOf(sheet, box);
      const item = make("li");
      item.append(button(`${labelOf(sheet, box)}${name ? ` · ${name}` : ""}${sheet.number ? ` · ${sheet.title}` : ""}`, () => walkTo(index)));
      return item;
    }));
    const many = hits.length > MAX_RESULTS ? `, the first ${MAX_RESULTS} listed` : "";
    told.textContent = wanted.length ? `${hits.length.toLocaleString("en")} found${many}` : "";
    go.ring(hits);
  }

  function walkTo(index) {
    at = index;
    const [sheet, box] = hits[at];
    list.querySelector("[aria-current]")?.removeAttribute("aria-current");
    const item = list.children[at]?.firstChild;
    item?.setAttribute("aria-current", "true");
    if (item) list.scrollTop = item.offsetTop - list.offsetTop - list.clientHeight / 2;
    told.textContent = `${(at + 1).toLocaleString("en")} of ${hits.length.toLocaleString("en")}`;
    go.choose(sheet, box);
  }

  field.addEventListener("input", search);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && field.value) {
      event.preventDefault();
      field.value = "";
      search();
    }
    if (event.key !== "Enter" || !hits.length) return;
    event.preventDefault();
    walkTo((at < 0 ? (event.shiftKey ? hits.length - 1 : 0) : at + (event.shiftKey ? -1 : 1) + hits.length) % hits.length);
  });
  if (field.value) search();
}
