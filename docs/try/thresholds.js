// Thresholds by false-positive rate, and what to expect of them, from the model's own calibration tables.

/** @typedef {import("./model.js").ThresholdTable} ThresholdTable */
/** @typedef {import("./model.js").CalibrationRow} CalibrationRow */

/**
 * @typedef {object} Threshold
 * @property {number} value
 * @property {string} rule
 * @property {CalibrationRow | null} expected
 */

const DENOMINATORS = [10, 100, 1_000, 10_000];
const MAX_ROUNDING = 0.25;
/** False-positive rates to choose from, as far as the model's table reaches. */
const RATES = [0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001];

/**
 * Choose the lowest threshold of a table with at most this false-positive rate. Without a rate: the model's default.
 *
 * @param {ThresholdTable} table
 * @param {number | null} rate
 * @returns {Threshold | null} Null where the table does not reach the rate.
 */
export function chooseThreshold(table, rate) {
  const rows = [...table.rows].sort((one, other) => one.threshold - other.threshold);
  if (rate === null) {
    const value = table.default_threshold;
    const expected = rows.filter((row) => row.threshold <= value).pop() ?? null;
    return { value, rule: table.default_rule, expected };
  }
  const row = rows.find((each) => each.fpr <= rate);
  return row ? { value: row.threshold, rule: `fpr ${rate}`, expected: row } : null;
}

/** Return the rates that a table reaches. @param {ThresholdTable} table */
export function offeredRates(table) {
  return RATES.filter((rate) => chooseThreshold(table, rate));
}

/**
 * Say what to expect of windows and hits at a threshold.
 *
 * @param {Threshold} threshold
 * @param {number} stride
 * @param {number} defaultStride The stride that the shares of hits and peaks were measured at.
 */
export function describeExpectation({ expected }, stride, defaultStride) {
  if (!expected) return "The model's calibration does not reach down to there: nothing is known of what to expect.";
  const found = `${frequency(expected.recall, "bound windows")} to be found`;
  const called = expected.precision === null ? "" : `${frequency(expected.precision, "called windows")} to be bound, and `;
  const windows = `Expect ${called}${found}.`;
  if (expected.hit_precision === null || expected.peak_recall === null) return windows;
  const atStride = stride === defaultStride ? "" : `, at stride ${defaultStride}`;
  const peaks = frequency(expected.peak_recall, "peaks");
  return `${windows} Of hits, expect ${frequency(expected.hit_precision)} to lie on a peak, and ${peaks} to be hit (held-out blocks${atStride}).`;
}

/**
 * Return a share as a natural frequency, such as "3 in 10".
 *
 * @param {number} share
 * @param {string} [things]
 */
export function frequency(share, things = "") {
  if (share === 0) return things ? `no ${things}` : "none";
  if (share === 1) return `all ${things}`.trim();
  for (const all of DENOMINATORS) {
    const count = Math.round(share * all);
    if (count > 0 && count < all && Math.abs(count / all - share) <= MAX_ROUNDING * share) {
      return `${count.toLocaleString("en")} in ${all.toLocaleString("en")} ${things}`.trim();
    }
  }
  const all = DENOMINATORS[DENOMINATORS.length - 1];
  const [word, count] = share < 0.5 ? ["fewer", 1] : ["more", all - 1];
  return `${word} than ${count.toLocaleString("en")} in ${all.toLocaleString("en")} ${things}`.trim();
}

/**
 * Return the share of bound windows among held-out windows that score at least as high, or null below the table.
 *
 * @param {ThresholdTable} table
 * @param {number} probability
 */
export function expectedPrecision(table, probability) {
  const rows = table.rows.filter((row) => row.precision !== null);
  if (!rows.length || probability < Math.fround(rows[0].threshold)) return null;
  return interpolate(probability, rows.map((row) => row.threshold), rows.map((row) => row.precision ?? 0));
}

/**
 * Interpolate on a broken line, constant before its first knot and after its last, as numpy does.
 *
 * @param {number} at
 * @param {ArrayLike<number>} knots Ascending.
 * @param {ArrayLike<number>} values
 */
export function interpolate(at, knots, values) {
  const last = knots.length - 1;
  if (at >= knots[last]) return values[last];
  if (at <= knots[0]) return values[0];
  let low = 0;
  let high = last;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (knots[middle] <= at) low = middle;
    else high = middle;
  }
  return ((values[high] - values[low]) / (knots[high] - knots[low])) * (at - knots[low]) + values[low];
}
