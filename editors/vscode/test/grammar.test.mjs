// The grammar against every spec of the repository, by the tokenizer that VS Code uses.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import oniguruma from "vscode-oniguruma";
import textmate from "vscode-textmate";

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const grammarFile = join(here, "../syntaxes/mtmd.tmLanguage.json");

await oniguruma.loadWASM(readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm")).buffer);
const registry = new textmate.Registry({
  onigLib: Promise.resolve({
    createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
    createOnigString: (text) => new oniguruma.OnigString(text),
  }),
  loadGrammar: async () => textmate.parseRawGrammar(readFileSync(grammarFile, "utf8"), grammarFile),
});
const grammar = await registry.loadGrammar("source.mtmd");

/** The words of a text, each with its innermost scope. */
function tokens(text) {
  let stack = textmate.INITIAL;
  const found = [];
  for (const line of text.split("\n")) {
    const result = grammar.tokenizeLine(line, stack);
    stack = result.ruleStack;
    for (const { startIndex, endIndex, scopes } of result.tokens) {
      const word = line.slice(startIndex, endIndex);
      if (word.trim()) found.push([word.trim(), scopes.at(-1).replace(/\.mtmd$/, "")]);
    }
  }
  return found;
}

function specs(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return specs(path);
    return entry.name.endsWith(".mtmd") ? [path] : [];
  });
}

test("every kind of word has its scope", () => {
  const text = `/// A shop. "no string"
model shop // here
surfaces from "s" {
  home_feed = 0, search = [2, -3]
  others skip
}
tasks {
  ctr from "hw_ctr" { action "a" & "b", given base, weight 2.5e-1 }
  octr from action "x"
}
table pins { rows 1_000, dim 8 }
query {
  id user_id from "u" { table pins, on [home_feed, search] }
  ids tags { values ["a\\"b", "é"] }
}
architecture { cross none }
split by "date" { train 1 .. 2 }
allow W0505
`;
  assert.deepEqual(tokens(text), [
    ['/// A shop. "no string"', "comment.line.documentation"],
    ["model", "keyword.control"], ["shop", "entity.name.type"], ["// here", "comment.line.double-slash"],
    ["surfaces", "keyword.control"], ["from", "keyword.other"],
    ['"', "string.quoted.double"], ["s", "string.quoted.double"], ['"', "string.quoted.double"],
    ["{", "punctuation.section.block"],
    ["home_feed", "variable.other.enummember"], ["=", "keyword.operator"], ["0", "constant.numeric"],
    [",", "punctuation.separator"],
    ["search", "variable.other.enummember"], ["=", "keyword.operator"],
    ["[", "punctuation.section.list"], ["2", "constant.numeric"], [",", "punctuation.separator"],
    ["-3", "constant.numeric"], ["]", "punctuation.section.list"],
    ["others", "keyword.other.setting"], ["skip", "variable.other"],
    ["}", "punctuation.section.block"],
    ["tasks", "keyword.control"], ["{", "punctuation.section.block"],
    ["ctr", "entity.name.function"], ["from", "keyword.other"],
    ['"', "string.quoted.double"], ["hw_ctr", "string.quoted.double"], ['"', "string.quoted.double"],
    ["{", "punctuation.section.block"], ["action", "keyword.other.setting"],
    ['"', "string.quoted.double"], ["a", "string.quoted.double"], ['"', "string.quoted.double"],
    ["&", "keyword.operator"],
    ['"', "string.quoted.double"], ["b", "string.quoted.double"], ['"', "string.quoted.double"],
    [",", "punctuation.separator"],
    ["given", "keyword.other.setting"], ["base", "variable.other"], [",", "punctuation.separator"],
    ["weight", "keyword.other.setting"], ["2.5e-1", "constant.numeric"], ["}", "punctuation.section.block"],
    ["octr", "entity.name.function"], ["from", "keyword.other"], ["action", "keyword.other"],
    ['"', "string.quoted.double"], ["x", "string.quoted.double"], ['"', "string.quoted.double"],
    ["}", "punctuation.section.block"],
    ["table", "keyword.control"], ["pins", "entity.name.type"], ["{", "punctuation.section.block"],
    ["rows", "keyword.other.setting"], ["1_000", "constant.numeric"], [",", "punctuation.separator"],
    ["dim", "keyword.other.setting"], ["8", "constant.numeric"], ["}", "punctuation.section.block"],
    ["query", "keyword.control"], ["{", "punctuation.section.block"],
    ["id", "storage.type"], ["user_id", "variable.other.property"], ["from", "keyword.other"],
    ['"', "string.quoted.double"], ["u", "string.quoted.double"], ['"', "string.quoted.double"],
    ["{", "punctuation.section.block"], ["table", "keyword.other.setting"], ["pins", "variable.other"],
    [",", "punctuation.separator"], ["on", "keyword.other.setting"],
    ["[", "punctuation.section.list"], ["home_feed", "variable.other"], [",", "punctuation.separator"],
    ["search", "variable.other"], ["]", "punctuation.section.list"], ["}", "punctuation.section.block"],
    ["ids", "storage.type"], ["tags", "variable.other.property"], ["{", "punctuation.section.block"],
    ["values", "keyword.other.setting"], ["[", "punctuation.section.list"],
    ['"', "string.quoted.double"], ["a", "string.quoted.double"], ['\\"', "constant.character.escape"],
    ["b", "string.quoted.double"], ['"', "string.quoted.double"], [",", "punctuation.separator"],
    ['"', "string.quoted.double"], ["é", "string.quoted.double"], ['"', "string.quoted.double"],
    ["]", "punctuation.section.list"], ["}", "punctuation.section.block"],
    ["}", "punctuation.section.block"],
    ["architecture", "keyword.control"], ["{", "punctuation.section.block"],
    ["cross", "keyword.other.setting"], ["none", "keyword.other"], ["}", "punctuation.section.block"],
    ["split", "keyword.control"], ["by", "keyword.other"],
    ['"', "string.quoted.double"], ["date", "string.quoted.double"], ['"', "string.quoted.double"],
    ["{", "punctuation.section.block"], ["train", "keyword.other.setting"], ["1", "constant.numeric"],
    ["..", "keyword.operator.range"], ["2", "constant.numeric"], ["}", "punctuation.section.block"],
    ["allow", "keyword.control"], ["W0505", "variable.other"],
  ]);
});

test("what is wrong stays on its line", () => {
  assert.deepEqual(tokens('a "\\q\nb 1'), [
    ["a", "keyword.other.setting"],
    ['"', "string.quoted.double"],
    ["\\q", "invalid.illegal.escape"],
    ["b", "keyword.other.setting"],
    ["1", "constant.numeric"],
  ]);
});

for (const path of specs(join(here, "../../../specs"))) {
  test(`${path.split("specs/").pop()} has a scope for every word`, () => {
    const found = tokens(readFileSync(path, "utf8"));
    assert.ok(found.length > 10);
    for (const [word, scope] of found) {
      assert.notEqual(scope, "source", `\`${word}\` has no scope`);
      assert.ok(!scope.startsWith("invalid"), `\`${word}\` is ${scope}`);
    }
    const blocks = found.filter(([, scope]) => scope === "punctuation.section.block");
    const open = blocks.filter(([word]) => word === "{").length;
    assert.equal(open, blocks.length - open, "braces do not pair");
  });
}
