// Starts `snsim lsp` for .sn and .lsh files. Without vscode-languageclient (npm install) there are colours only.
let client;

exports.activate = function () {
  let library;
  try {
    library = require("vscode-languageclient/node");
  } catch (missing) {
    return;
  }
  const command = require("vscode").workspace.getConfiguration("sn").get("command");
  client = new library.LanguageClient("sn", "SN", { command, args: ["lsp"] },
    { documentSelector: [{ scheme: "file", language: "sn" }] });
  client.start();
};

exports.deactivate = function () {
  return client && client.stop();
};
