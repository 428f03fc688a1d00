// The extension against stand-ins of the editor and of its client: what is started, and what is
// said when that fails.

import assert from "node:assert/strict";
import Module, { createRequire } from "node:module";
import test from "node:test";

const require = createRequire(import.meta.url);

/** The extension, in an editor whose settings are `settings`; `fails` makes the server not start. */
function extension(settings, fails = false) {
  const seen = { started: [], stopped: 0, messages: [], commands: {}, changed: undefined };
  class LanguageClient {
    constructor(id, name, server, options) {
      Object.assign(this, { server, options });
    }
    async start() {
      if (fails) throw new Error("spawn ENOENT");
      seen.started.push([this.server.command, ...this.server.args]);
      seen.selector = this.options.documentSelector;
    }
    async stop() {
      seen.stopped += 1;
    }
  }
  const vscode = {
    workspace: {
      getConfiguration: () => ({ get: (key, other) => settings[key] ?? other }),
      createFileSystemWatcher: () => ({}),
      onDidChangeConfiguration: (listener) => (seen.changed = listener),
    },
    window: { showErrorMessage: async (message) => void seen.messages.push(message) },
    commands: { registerCommand: (name, run) => (seen.commands[name] = run) },
  };
  const stands = { vscode, "vscode-languageclient/node": { LanguageClient } };
  const load = Module._load;
  Module._load = (name, ...rest) => stands[name] ?? load(name, ...rest);
  const path = require.resolve("../extension.js");
  delete require.cache[path];
  const loaded = require(path);
  Module._load = load;
  return { ...loaded, seen };
}

test("the server is started and stopped with the editor", async () => {
  const { activate, deactivate, seen } = extension({});
  await activate({ subscriptions: [] });
  assert.deepEqual(seen.started, [["mtmdc", "lsp", "--stdio"]]);
  assert.deepEqual(seen.selector, [{ language: "mtmd" }]);
  await deactivate();
  assert.equal(seen.stopped, 1);
});

test("another path and a restart start another server", async () => {
  const settings = { path: "/opt/mtmdc" };
  const { activate, seen } = extension(settings);
  await activate({ subscriptions: [] });
  await seen.commands["mtmdc.restart"]();
  settings.path = "/opt/newer";
  await seen.changed({ affectsConfiguration: (name) => name === "mtmdc.path" });
  await seen.changed({ affectsConfiguration: () => false });
  assert.deepEqual(seen.started.map(([command]) => command), ["/opt/mtmdc", "/opt/mtmdc", "/opt/newer"]);
  assert.equal(seen.stopped, 2);
});

test("a server that does not start is one message, and nothing to stop", async () => {
  const { activate, deactivate, seen } = extension({}, true);
  await activate({ subscriptions: [] });
  assert.equal(seen.messages.length, 1);
  assert.match(seen.messages[0], /Cannot start `mtmdc lsp`: spawn ENOENT/);
  await deactivate();
  assert.equal(seen.stopped, 0);
});
