// Colours for blocks of the language, which highlight.js does not know. Words are those of the grammar in editors/vscode.
(() => {
  const words = (text) => ({ $pattern: /[a-z_]+/, keyword: text });
  hljs.registerLanguage("mtmd", () => ({
    keywords: words(
      "model data surfaces products tasks table query item architecture split rows training evaluation use variant budget allow " +
        "id ids category number vector from on like given action without by others none",
    ),
    contains: [
      hljs.COMMENT("//", "$"),
      { className: "string", begin: '"', end: '"', illegal: "\\n", contains: [{ begin: "\\\\." }] },
      { className: "number", begin: "-?\\b[0-9][0-9_]*(\\.[0-9_]+)?([eE][-+]?[0-9]+)?\\b" },
    ],
  }));
  for (const block of document.querySelectorAll("code.language-mtmd")) {
    hljs.highlightBlock(block);
  }
})();
