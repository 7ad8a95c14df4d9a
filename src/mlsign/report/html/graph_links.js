// Links to nodes and graphs. One to a node shows it in the picture, and its row, whose list is folded up. ``#node=NAME`` is the first
// node of that name.
function linksOf(model, go) {
  const { sheets } = model;

  function follow() {
    const place = /^#n(\d+)-(\d+)$/.exec(location.hash);
    const sheet = place ? sheets[Number(place[1])] : null;
    if (sheet && Number(place[2]) < sheet.nodes.length) { lead(sheet, sheet.first + Number(place[2])); return; }
    const graph = /^#s(\d+)$/.exec(location.hash);
    if (graph && sheets[Number(graph[1])]) { go.show(sheets[Number(graph[1])]); document.getElementById("graph").scrollIntoView(); return; }
    if (!location.hash.startsWith("#node=")) return;
    const name = named(location.hash.slice("#node=".length));
    for (const each of sheets) {
      for (let box = each.first; box < each.first + each.nodes.length; box++) {
        if (name && model.nameOf(each, box) === name) { lead(each, box); return; }
      }
    }
  }

  function named(text) {
    try { return decodeURIComponent(text); } catch { return ""; }
  }

  function lead(sheet, box) {
    const folded = model.rowOf(sheet, box)?.closest("details");
    if (folded) folded.open = true;
    go.choose(sheet, box);
    document.getElementById("details").focus({ preventScroll: true });
    document.getElementById("trail").parentElement.scrollIntoView();
  }

  window.addEventListener("hashchange", follow);
  document.addEventListener("click", (event) => { // the link of where one is already is no change
    const link = event.target.closest?.("a[href^='#n']");
    if (link && link.getAttribute("href") === location.hash) { event.preventDefault(); follow(); }
  });
  return { follow };
}
