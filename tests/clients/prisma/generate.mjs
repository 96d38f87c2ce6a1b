// Generates a client for each engine: the models are the same, only the provider differs.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

const schema = readFileSync("prisma/schema.prisma", "utf8");

for (const provider of ["postgresql", "mysql", "sqlite"]) {
  const directory = `generated/${provider}`;
  mkdirSync(directory, { recursive: true });
  const file = `${directory}.prisma`;
  writeFileSync(file, schema.replace('provider = "postgresql"', `provider = "${provider}"`).replace("OUTPUT", provider));
  execFileSync("../node_modules/.bin/prisma", ["generate", "--schema", file], { stdio: ["ignore", "ignore", "inherit"] });
}
