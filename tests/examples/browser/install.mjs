// Unpacks Chromium and the libraries that it needs, so that neither has to be on the machine, into the folder that has the
// packages. Takes the folder.
import { createRequire } from "node:module";
import { resolve } from "node:path";

const folder = resolve(process.argv[2]);
process.env.TMPDIR = folder;
// The package brings libraries for AWS Lambda alone, but they serve on any Linux that lacks them.
process.env.AWS_EXECUTION_ENV = "AWS_Lambda_nodejs20.x";
const chromium = createRequire(resolve(folder, "package.json"))("@sparticuz/chromium");
await chromium.executablePath();
