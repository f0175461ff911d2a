// Sequences: from pasted text or a FASTA to codes. A base is a code: A 0, C 1, G 2, T 3 in either case, 4 for all else.

export const UNKNOWN = 4;
export const MAX_BASES = 1_000_000;

/** A message for the user: what is wrong, where, and what to do. */
export class InputError extends Error {}

/**
 * @typedef {object} Sequence
 * @property {string} name
 * @property {Uint8Array} codes
 */

const IUPAC = "ACGTUNRYSWKMBDHV";
const PROTEIN_ONLY = "EFILPQZJOX*";

/**
 * Read sequences from a FASTA, or from bare letters with any white space and numbers between them.
 *
 * @param {string} text
 * @param {string} alphabet Letters in the order of their codes.
 * @param {string} [bare] Name of a sequence without a header line.
 * @returns {Sequence[]}
 */
export function readSequences(text, alphabet, bare = "sequence") {
  const table = letterTable(alphabet);
  /** @type {Sequence[]} */
  const sequences = [];
  let total = 0;
  for (const { name, line, body } of split(text, bare)) {
    const codes = encode(body, table, name, line);
    if (!codes.length) throw new InputError(`"${name}" holds no letters. Paste its sequence below its header line.`);
    total += codes.length;
    if (total > MAX_BASES) {
      throw new InputError(
        `The sequences have more than ${MAX_BASES.toLocaleString("en")} bases, the most that this page takes. ` +
          "Paste a shorter piece, or install jundscan, which scans whole genomes.",
      );
    }
    if (sequences.some((other) => other.name === name)) {
      throw new InputError(`Two sequences have the name "${name}". Give each a name of its own after its ">".`);
    }
    sequences.push({ name, codes });
  }
  if (!sequences.length) throw new InputError("There is no sequence yet. Paste one, drop a FASTA, or click an example.");
  return sequences;
}

/**
 * Convert codes to upper-case letters; 4 becomes N.
 *
 * @param {Uint8Array} codes
 * @param {string} alphabet
 */
export function decode(codes, alphabet) {
  const letters = [...alphabet, "N"];
  return Array.from(codes, (code) => letters[code]).join("");
}

/** @param {string} alphabet */
function letterTable(alphabet) {
  const table = new Uint8Array(256).fill(UNKNOWN);
  [...alphabet].forEach((letter, code) => {
    table[letter.charCodeAt(0)] = table[letter.toLowerCase().charCodeAt(0)] = code;
  });
  return table;
}

/**
 * Cut a text into records: the name of each, the line that it starts on, and its lines.
 *
 * @param {string} text
 * @param {string} bare
 */
function split(text, bare) {
  if (text.startsWith("\u001f\u008b") || text.startsWith("\u001f\ufffd")) {
    throw new InputError("The file is compressed. Unpack it first, for example with gunzip.");
  }
  const lines = text.replace(/^\ufeff/, "").split(/\r\n|\r|\n/);
  /** @type {{name: string, line: number, body: string[]}[]} */
  const records = [];
  lines.forEach((content, at) => {
    if (content.startsWith(">")) {
      const name = content.slice(1).trim().split(/\s/)[0] || `${bare} ${records.length + 1}`;
      records.push({ name, line: at + 2, body: [] });
    } else if (records.length || content.trim()) {
      if (!records.length) records.push({ name: bare, line: at + 1, body: [] });
      records[records.length - 1].body.push(content);
    }
  });
  return records;
}

/**
 * @param {string[]} body
 * @param {Uint8Array} table
 * @param {string} name
 * @param {number} firstLine
 */
function encode(body, table, name, firstLine) {
  const codes = new Uint8Array(body.reduce((sum, line) => sum + line.length, 0));
  let count = 0;
  let protein = 0;
  let strange = "";
  let uracil = false;
  body.forEach((line, row) => {
    for (let at = 0; at < line.length; at++) {
      const letter = line[at];
      if (/[\s\d]/.test(letter)) continue;
      const code = letter.charCodeAt(0) < 256 ? table[letter.charCodeAt(0)] : UNKNOWN;
      if (code === UNKNOWN) {
        const upper = letter.toUpperCase();
        uracil ||= upper === "U";
        if (PROTEIN_ONLY.includes(upper)) protein++;
        if (!IUPAC.includes(upper) && upper !== "-" && upper !== "." && !strange) {
          strange = `"${letter}" in line ${firstLine + row}, column ${at + 1}`;
        }
      }
      codes[count++] = code;
    }
  });
  if (protein > 0.02 * count) {
    throw new InputError(`"${name}" looks like a protein sequence. This page needs DNA: the letters A, C, G, T and N.`);
  }
  if (uracil) {
    throw new InputError(`"${name}" holds the letter U, so it is RNA. This page needs DNA: write T in place of U.`);
  }
  if (strange) {
    throw new InputError(`"${name}" holds ${strange}, which is no letter of DNA. Use A, C, G, T, and N for unknown bases.`);
  }
  return codes.slice(0, count);
}
