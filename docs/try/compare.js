// Two sequences side by side: which windows of both belong together, and the difference of their logits.

/**
 * Return, for each window of the alternative at stride 1, the window of the reference at the same place, or -1.
 *
 * The bases that both sequences share at their start and at their end are matched. Windows centred on bases in between have
 * no counterpart unless both sequences are equally long.
 *
 * @param {Uint8Array} reference
 * @param {Uint8Array} alternative
 * @param {number} windowLength
 */
export function counterparts(reference, alternative, windowLength) {
  const windows = Math.max(alternative.length - windowLength + 1, 0);
  const longer = alternative.length - reference.length;
  if (!longer) return Int32Array.from({ length: windows }, (_, at) => at);
  const shortest = Math.min(reference.length, alternative.length);
  let prefix = 0;
  while (prefix < shortest && reference[prefix] === alternative[prefix]) prefix++;
  let suffix = 0;
  const last = (/** @type {Uint8Array} */ codes) => codes[codes.length - 1 - suffix];
  while (suffix < shortest - prefix && last(reference) === last(alternative)) suffix++;
  const most = reference.length - windowLength;
  return Int32Array.from({ length: windows }, (_, at) => {
    const centre = at + (windowLength >> 1);
    let found = -1;
    if (centre < prefix) found = at;
    else if (centre >= alternative.length - suffix) found = at - longer;
    return found >= 0 && found <= most ? found : -1;
  });
}

/**
 * Return logit(alternative) - logit(reference) by window of the alternative; NaN without a counterpart or a score.
 *
 * @param {Float32Array} reference
 * @param {Float32Array} alternative
 * @param {Int32Array} rows From `counterparts`.
 * @param {(probability: number) => number} logit
 */
export function logitDifferences(reference, alternative, rows, logit) {
  return Float64Array.from(rows, (row, at) => (row < 0 ? NaN : logit(alternative[at]) - logit(reference[row])));
}

/**
 * Return the accessibility of the alternative's windows: that of their counterparts, or of the nearest one before.
 *
 * @param {Float32Array} columns Of the reference at stride 1.
 * @param {Int32Array} rows From `counterparts`.
 * @param {number} widths
 */
export function alternativeColumns(columns, rows, widths) {
  const found = new Float32Array(rows.length * widths);
  let near = Math.max(rows.find((row) => row >= 0) ?? 0, 0);
  rows.forEach((row, at) => {
    if (row >= 0) near = row;
    found.set(columns.subarray(near * widths, (near + 1) * widths), at * widths);
  });
  return found;
}
