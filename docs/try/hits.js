// Windows to hits, as jundscan/scanning/hits.py does: a hit is the union of overlapping windows at or above the threshold.

/**
 * @typedef {object} Hit
 * @property {number} start
 * @property {number} end 0-based half-open.
 * @property {number} best Highest probability among its windows.
 * @property {number} summit Centre of the best window.
 */

/**
 * Tell whether a probability reaches a threshold, compared as float32. @param {number} probability
 * @param {number} threshold
 */
export function isPositive(probability, threshold) {
  return Math.fround(probability) >= Math.fround(threshold);
}

/**
 * Join windows into hits.
 *
 * The summit is the centre of the middle window (the lower of two) of the leftmost run of consecutive windows that share
 * the best probability to the given resolution.
 *
 * @param {Int32Array} starts
 * @param {Float32Array} probabilities NaN where a window was not scored.
 * @param {number} threshold
 * @param {{windowLength: number, stride: number, resolution: number}} rules
 * @returns {Hit[]}
 */
export function callHits(starts, probabilities, threshold, { windowLength, stride, resolution }) {
  /** @type {number[][]} */
  const groups = [];
  starts.forEach((start, at) => {
    if (!isPositive(probabilities[at], threshold)) return;
    const group = groups[groups.length - 1];
    if (group && start < starts[group[group.length - 1]] + windowLength) group.push(at);
    else groups.push([at]);
  });
  const level = (/** @type {number} */ at) => roundHalfEven(probabilities[at] * resolution);
  return groups.map((group) => {
    const best = group.reduce((found, at) => Math.max(found, probabilities[at]), 0);
    const top = roundHalfEven(best * resolution);
    const first = group.findIndex((at) => level(at) === top);
    let length = 1;
    while (first + length < group.length && group[first + length] === group[first] + length && level(group[first + length]) === top) {
      length++;
    }
    const middle = starts[group[first]] + ((length - 1) >> 1) * stride;
    return {
      start: starts[group[0]],
      end: starts[group[group.length - 1]] + windowLength,
      best,
      summit: middle + (windowLength >> 1),
    };
  });
}

/** Round half to even, as numpy does. @param {number} value */
export function roundHalfEven(value) {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}
