// Starts `mtmdc lsp` and hands it the specs that are open. All that is known of the language is
// in the server.

const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

/** @type {LanguageClient | undefined} */
let client;

async function start() {
  const command = vscode.workspace.getConfiguration("mtmdc").get("path", "mtmdc");
  const server = { command, args: ["lsp", "--stdio"] };
  const options = {
    documentSelector: [{ language: "mtmd" }],
    synchronize: { fileEvents: vscode.workspace.createFileSystemWatcher("**/*.mtmd") },
  };
  client = new LanguageClient("mtmdc", "mtmdc", server, options);
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    const settings = "Open settings";
    const message = `Cannot start \`${command} lsp\`: ${error.message ?? error}. Install mtmdc, or set mtmdc.path.`;
    if ((await vscode.window.showErrorMessage(message, settings)) === settings) {
      await vscode.commands.executeCommand("workbench.action.openSettings", "mtmdc.path");
    }
  }
}

async function stop() {
  const running = client;
  client = undefined;
  await running?.stop();
}

async function restart() {
  await stop();
  await start();
}

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("mtmdc.restart", restart),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration("mtmdc.path")) {
        return restart();
      }
    }),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
