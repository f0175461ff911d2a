// Modules of the page alone, without a model: `node --test`. What depends on the model is compared with jundscan in Python.
import assert from "node:assert/strict";
import test from "node:test";

const page = (name) => import(new URL(`../../../docs/try/${name}`, import.meta.url));
const { readSequences, decode } = await page("letters.js");
const { readTrack, readScale, checkTrack, trackColumns, matchingName } = await page("accessibility.js");
const { counterparts, logitDifferences, alternativeColumns } = await page("compare.js");
const { callHits, roundHalfEven } = await page("hits.js");
const { windowStarts } = await page("windows.js");
const { frequency, interpolate } = await page("thresholds.js");
const { drawScan, drawContributions, baseAt, ticks, FILE_PALETTE } = await page("draw.js");
const { bedText, tsvText } = await page("files.js");
const { Model } = await page("model.js");

const read = (text) => readSequences(text, "ACGT").map(({ name, codes }) => [name, decode(codes, "ACGT")]);
const codes = (letters) => readSequences(letters, "ACGT")[0].codes;

test("sequences are read from bare letters and from a FASTA", () => {
  assert.deepEqual(read("\n acgt\r\n12 nnrA"), [["sequence", "ACGTNNNA"]]);
  assert.deepEqual(read(">a one\nAC\n\nGT\n>b\nT-\n"), [["a", "ACGT"], ["b", "TN"]]);
});

test("errors name what is wrong and where", () => {
  for (const [text, message] of [
    ["", /no sequence yet/],
    [">a\n>b\nAC", /"a" holds no letters/],
    [">a\nAC\n>a\nGT", /Two sequences have the name "a"/],
    ["MKVLAAGIVGLLLAQPSE", /protein/],
    ["ACGU", /RNA/],
    [">a\nACGT\nAC?T", /"\?" in line 3, column 3/],
    ["A".repeat(1_000_001), /more than 1,000,000 bases/],
    ["\u001f\ufffd", /compressed/],
  ]) assert.throws(() => read(text), message);
});

test("windows lie on the grid, and the last one at the end", () => {
  assert.deepEqual([...windowStarts(125, 101, 10)], [0, 10, 20, 24]);
  assert.deepEqual([...windowStarts(121, 101, 10)], [0, 10, 20]);
  assert.equal(windowStarts(100, 101, 10).length, 0);
});

test("hits join windows that overlap, and the summit is the middle of the first plateau", () => {
  const starts = Int32Array.of(0, 50, 100, 151, 252);
  const scores = Float32Array.of(0.7, 0.9, 0.9, NaN, 0.8);
  const rules = { windowLength: 101, stride: 50, resolution: 1e6 };
  const hits = callHits(starts, scores, 0.7, rules);
  assert.deepEqual(hits.map(({ start, end, summit }) => [start, end, summit]), [[0, 201, 100], [252, 353, 302]]);
  assert.equal(roundHalfEven(0.5) + roundHalfEven(1.5) + roundHalfEven(2.4), 4);
});

test("a track gives means with zeros for gaps, and the highest value of overlaps", () => {
  const track = readTrack("track x\nchr1\t0\t101\t0.5\n1\t90\t95\t1\nchr1\t50\t101\t0.25\n");
  assert.equal(matchingName(track, "1"), "1");
  track.delete("1");
  const columns = trackColumns(track, null, "1", 301, Int32Array.of(0, 101, 200), [101, 301]);
  const expected = [0.5, 50.5 / 301, 0, 50 / 301, 0, 0.5 / 301]; // the wider range starts 100 bases before its window
  assert.deepEqual([...columns], expected.map(Math.fround));
});

test("tracks and scales that do not fit are errors", () => {
  assert.throws(() => readTrack("chr1\t5\t5\t1"), /line 1 is no line of a bedGraph/);
  assert.throws(() => readTrack("chr1\t5\t6\tx"), /line 1/);
  assert.throws(() => readTrack("chr1\t5\t6\t-1"), /line 1/);
  assert.throws(() => readTrack("# nothing\n"), /no interval/);
  assert.throws(() => readScale("{}", [101]), /no accessibility scale/);
  assert.throws(() => readScale("[", [101]), /no accessibility scale/);
  assert.throws(() => readScale('{"values": [1], "percentiles": [0.5]}', [101, 301]), /301 bases/);
  const scale = readScale('{"accessibility_scale": {"values": [1, 3], "percentiles": [0.5, 1]}}', [101]);
  assert.deepEqual(scale.get(101), { values: [1, 3], percentiles: [0.5, 1] });
  const sequences = [{ name: "chr1", codes: new Uint8Array(10) }, { name: "chr2", codes: new Uint8Array(10) }];
  assert.throws(() => checkTrack(readTrack("chrX\t0\t1\t1"), scale, sequences), /no name in\s+common/);
  assert.throws(() => checkTrack(readTrack("chr1\t0\t1\t7"), null, sequences), /no percentiles/);
  assert.deepEqual(checkTrack(readTrack("1\t0\t11\t7"), scale, sequences).map((each) => each.slice(0, 26)), ["The track has no data for ", "1 intervals of the track r"]);
});

test("windows of two sequences belong together before and behind an insertion", () => {
  const left = "ACGT".repeat(40);
  const right = "TTGCA".repeat(40);
  const rows = counterparts(codes(left + right), codes(left + "GGG" + right), 101);
  assert.equal(rows[0], 0);
  assert.equal(rows[rows.length - 1], rows.length - 4);
  const gap = rows.findIndex((row) => row < 0);
  assert.deepEqual([rows[gap - 1], rows.filter((row) => row < 0).length, rows[gap + 3]], [gap - 1, 3, gap]);
  const logit = (value) => value;
  const differences = logitDifferences(new Float32Array(400), new Float32Array(400).fill(1), rows, logit);
  assert.ok(Number.isNaN(differences[gap]) && differences[0] === 1);
  const columns = alternativeColumns(Float32Array.from({ length: 260 }, (_, at) => at), rows, 1);
  assert.deepEqual([...columns.slice(gap - 1, gap + 4)], [gap - 1, gap - 1, gap - 1, gap - 1, gap]);
  assert.deepEqual([...counterparts(codes("A".repeat(103)), codes("C".repeat(103)), 101)], [0, 1, 2]);
});

test("shares are natural frequencies, and lines are interpolated as by numpy", () => {
  assert.deepEqual([0.3, 0.22, 0.15, 0.002, 0.96].map((each) => frequency(each)), ["3 in 10", "2 in 10", "15 in 100", "2 in 1,000", "96 in 100"]);
  assert.deepEqual([0, 1e-5, 0.99999, 1].map((each) => frequency(each, "windows")), [
    "no windows", "fewer than 1 in 10,000 windows", "more than 9,999 in 10,000 windows", "all windows",
  ]);
  assert.deepEqual([0, 1, 1.5, 4, 9].map((at) => interpolate(at, [1, 2, 6], [0, 1, 3])), [0, 0, 0.5, 2, 3]);
});

test("pictures escape names and hold every hit in view", () => {
  const starts = windowStarts(301, 101, 10);
  const result = { name: "<b>", length: 301, starts, probabilities: new Float32Array(starts.length).fill(0.5) };
  const scene = {
    view: { from: 0, to: 301, width: 600 }, result, hits: [{ start: 0, end: 101, best: 0.5, summit: 50 }, { start: 150, end: 251, best: 0.5, summit: 200 }],
    sites: [{ start: 20, end: 27, name: "AP-1", strand: "+" }], threshold: 0.4, windowLength: 101, stride: 10, alternative: result,
    differences: new Float64Array(starts.length), selected: [10, 20], title: "<b>", palette: FILE_PALETTE,
  };
  const svg = drawScan(scene);
  assert.ok(!svg.includes("<b>") && svg.includes("&#60;b&#62;"));
  assert.equal(svg.match(/rx="1.5"/g).length, 3);
  const near = drawScan({ ...scene, view: { from: 140, to: 301, width: 600 } });
  assert.equal(near.match(/rx="1.5"/g).length, 1);
  assert.equal(baseAt(scene.view, 46), 0);
  assert.equal(baseAt(scene.view, 9999), 300);
  assert.deepEqual(ticks(0, 1000, 5), [0, 200, 400, 600, 800]);
  const contributions = Float64Array.of(1, -0.5, NaN, 0);
  const logo = drawContributions({ explained: { start: 0, end: 4, contributions, differences: new Float64Array(16) }, codes: codes("ACGT"), sites: [], width: 300, title: "", palette: FILE_PALETTE });
  assert.equal(logo.match(/fill-rule/g).length, 2);
});

test("files hold the lines of a scan", () => {
  const result = { name: "a", length: 111, starts: Int32Array.of(0, 10), probabilities: Float32Array.of(NaN, 0.25) };
  assert.equal(tsvText([result], 101, ["x"]), "# x\n#chrom\tstart\tend\tprobability\na\t10\t111\t0.25\n");
  const hits = [{ start: 10, end: 111, best: 0.9996, summit: 60 }];
  assert.equal(bedText([{ result, hits }], "JUND", []), "a\t10\t111\tJUND_1\t1000\t.\n");
});

test("a model whose reference scores differ gives no answer", async () => {
  const metadata = { window_length: 3, flank: 0, alphabet: "ACGT", accessibility_widths: [3], tiles: {}, max_windows_per_call: 9, self_test: { with_accessibility: [0.5] } };
  const file = { metadata, reference: { letters: "ACG", accessibility: [[0]], stride: 10, tolerance: 1e-4 } };
  const ort = (value) => ({
    Tensor: class {},
    InferenceSession: { create: async () => ({ run: async () => ({ probability: { data: Float32Array.of(value) } }) }) },
  });
  assert.ok((await Model.open(ort(0.5), new Uint8Array(), file)) instanceof Model);
  for (const value of [0.501, NaN]) await assert.rejects(Model.open(ort(value), new Uint8Array(), file), /gives no answer/);
});
