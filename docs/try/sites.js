// Exact matches of the consensus sequences that JUND's family binds; the page gets these from jundscan.

/**
 * @typedef {object} Site
 * @property {number} start
 * @property {number} end
 * @property {string} name
 * @property {string} strand
 */

/**
 * Find the sites of a sequence, sorted by start.
 *
 * @param {string} letters
 * @param {{sequence: string, name: string, strand: string}[]} consensus
 * @returns {Site[]}
 */
export function findSites(letters, consensus) {
  const sites = [];
  for (const { sequence, name, strand } of consensus) {
    for (let at = letters.indexOf(sequence); at >= 0; at = letters.indexOf(sequence, at + 1)) {
      sites.push({ start: at, end: at + sequence.length, name, strand });
    }
  }
  return sites.sort((one, other) => one.start - other.start || one.end - other.end);
}
