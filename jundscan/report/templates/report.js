"use strict";
// Start the charts (Vega-Lite), tables (DataTables), genome view (igv.js), pictures of alleles and the threshold slider.
const data = JSON.parse(document.getElementById("data").textContent);

for (const [id, spec] of Object.entries(data.charts)) {
  // "ast": Vega interprets expressions, because the page's security policy forbids compiling them
  vegaEmbed("#" + id, spec, { actions: false, renderer: "svg", ast: true });
}

const tables = {};
for (const table of document.querySelectorAll("table.sortable")) {
  const paging = table.tBodies[0].rows.length > 25;
  tables[table.id] = new DataTable(table, {
    order: [], paging, info: paging, searching: table.hasAttribute("data-search"), pageLength: 25,
    autoWidth: false, language: { search: table.dataset.search || "", lengthMenu: "_MENU_ rows a page" },
  });
}

// ---- genome view
let browser = null;

async function show(hit) {
  const view = document.getElementById("view");
  const length = data.sizes[hit.chrom];
  // igv.js reads this name from a FASTA header, so a name with unusual letters is replaced
  const chr = /^[\w.-]+$/.test(hit.chrom) ? hit.chrom : "contig";
  const end = hit.start + hit.sequence.length;
  const fasta = `>${chr}:${hit.start + 1}-${end} @len=${length}\n${hit.sequence}\n`;
  const along = (values) =>
    values.map((value, i) => ({ chr, start: hit.start + hit.from[i], end: hit.start + hit.to[i], value }));
  const interval = ([start, end]) => ({ chr, start, end });
  const text = `${hit.chrom}:${hit.hit[0]}-${hit.hit[1]}`;
  const wig = (name, height, max, color, values) => ({ name, type: "wig", height, min: 0, max, color, features: along(values) });
  const tracks = [
    { name: hit.groups ? "site" : "hit", type: "annotation", displayMode: "COLLAPSED", height: 30, color: data.colours.hit, features: [interval(hit.hit)] },
  ];
  // a comparison shows both groups, whose accessibility is a percentile
  for (const [group, one] of Object.entries(hit.groups || { "": hit })) {
    const name = (what) => (group ? `${group}: ${what}` : what);
    tracks.push(wig(name("probability"), 90, 1, data.colours.probability, one.probability));
    if (one.accessibility) {
      const most = group ? 1 : Math.max(...one.accessibility) || 1;
      tracks.push(wig(name("accessibility"), 70, most, data.colours.accessibility, one.accessibility));
    }
  }
  if (data.has_truth) {
    tracks.push({ name: "known peaks", type: "annotation", displayMode: "COLLAPSED", height: 30, color: data.colours.peaks, features: hit.peaks.map(interval) });
  }
  if (data.genes) {
    const features = data.genes[hit.chrom].map(([start, end, strand, name]) => ({ chr, start, end, strand, name }));
    tracks.push({ name: "genes", type: "annotation", displayMode: "EXPANDED", height: 60, color: data.colours.genes, features });
  }
  view.hidden = false;
  document.getElementById("view-title").textContent = hit.name ? `${hit.name}, ${text}` : text;
  if (browser) igv.removeBrowser(browser);
  browser = await igv.createBrowser(document.getElementById("igv"), {
    reference: { id: "report", name: "", fastaURL: "data:text/plain;base64," + btoa(fasta), indexed: false, wholeGenomeView: false },
    locus: `${chr}:${hit.start + 1}-${end}`, tracks, loadDefaultGenomes: false, queryParametersSupported: false,
    showNavigation: innerWidth > 600, showIdeogram: false, showSVGButton: false, showTrackLabelButton: false, showCursorTrackingGuideButton: false,
  });
  // igv.js shows the name of a clicked gene as HTML, and an annotation may hold any name
  browser.on("trackclick", (track, lines) => {
    if (track.name !== "genes" || !lines) return undefined;
    const text = lines.filter((line) => line.name).map((line) => `${line.name} ${line.value}`);
    return text.map((line) => Object.assign(document.createElement("div"), { textContent: line }).outerHTML).join("");
  });
  // igv.js gives its slider no name for screen readers
  for (const range of document.getElementById("igv").shadowRoot.querySelectorAll("input[type=range]")) range.ariaLabel = "zoom";
  view.dataset.shown = text;
  view.scrollIntoView();
  document.getElementById("view-title").focus();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-hit]");
  if (button) show(data.hits[button.dataset.hit]);
});

// ---- download of the page's table: all its digits
const kinds = { tsv: { delimiter: "\t", type: "text/tab-separated-values" }, csv: { delimiter: ",", type: "text/csv" } };

function tableText({ columns, rows }, delimiter) {
  const special = new RegExp(`["\r\n${delimiter}]`);
  const quote = (cell) => (special.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  return [columns, ...rows].map((row) => row.map(quote).join(delimiter) + "\n").join("");
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-download]");
  if (!button) return;
  const ending = button.dataset.download;
  const { delimiter, type } = kinds[ending];
  const url = URL.createObjectURL(new Blob([tableText(data.table, delimiter)], { type: type + ";charset=utf-8" }));
  Object.assign(document.createElement("a"), { href: url, download: (data.table.name || "hits") + "." + ending }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
});

// ---- picture of an allele: the bases that change, and the windows around them with each allele
function sequenceLine(label, { left, right }, changed) {
  const line = document.createElement("div");
  const mark = document.createElement("mark");
  mark.textContent = changed || "-";
  line.append(label + " " + left, mark, right);
  return line;
}

async function showAllele(allele) {
  const view = document.getElementById("allele-view");
  const lines = { "reference allele": allele.reference, "alternative allele": allele.alternative };
  const values = Object.entries(lines).flatMap(([name, logits]) =>
    logits.map((y, order) => ({ name, x: allele.at[order], y, order, probability: 1 / (1 + Math.exp(-y)) })));
  for (const x of [allele.at[0], allele.at[allele.at.length - 1]]) {
    values.push({ name: "threshold", x, y: data.threshold, order: x, probability: 1 / (1 + Math.exp(-data.threshold)) });
  }
  view.hidden = false;
  document.getElementById("allele-title").textContent = allele.title;
  document.getElementById("allele-bases").replaceChildren(
    sequenceLine("reference  ", allele, allele.old), sequenceLine("alternative", allele, allele.new));
  const sites = [["lost", allele.lost], ["gained", allele.gained]].filter(([, what]) => what);
  document.getElementById("allele-sites").textContent =
    sites.length ? sites.map(([how, what]) => `${how}: ${what}`).join("; ") : "none is lost or gained";
  await vegaEmbed("#allele-chart", { ...data.allele_chart, data: { values } }, { actions: false, renderer: "svg", ast: true });
  view.dataset.shown = allele.title;
  view.scrollIntoView();
  document.getElementById("allele-title").focus();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-allele]");
  if (button) showAllele(data.alleles[button.dataset.allele]);
});

// ---- threshold of an evaluation: the page holds the counts for every step of the slider
const slider = document.getElementById("threshold");
if (slider) {
  const share = (part, whole) => (whole ? (part / whole).toFixed(3) : "undefined");
  const move = () => {
    const at = Number(slider.value);
    for (const [number, one] of data.confusion.entries()) {
      const [tp, fp] = [one.tp[at], one.fp[at]];
      const cells = {
        tp: tp.toLocaleString("en"), fp: fp.toLocaleString("en"),
        fn: (one.bound - tp).toLocaleString("en"), tn: (one.unbound - fp).toLocaleString("en"),
        precision: tp + fp ? share(tp, tp + fp) : "0.000", recall: share(tp, one.bound), fpr: share(fp, one.unbound),
        accuracy: one.accuracy ? one.accuracy[at].toFixed(3) : "undefined",
        threshold: String(Number((data.positions[at] ?? one.own).toPrecision(6))),
      };
      for (const [name, text] of Object.entries(cells)) {
        document.querySelector(`#confusion-${number} [data-cell="${name}"]`).textContent = text;
      }
    }
    const text = data.positions[at] === null ? "as evaluated" : data.positions[at].toFixed(3);
    document.getElementById("threshold-text").textContent = text;
    slider.setAttribute("aria-valuetext", text);
  };
  slider.addEventListener("input", move);
  document.getElementById("threshold-own").addEventListener("click", () => { slider.value = 0; move(); });
  move();
}
