import { readFileSync } from "node:fs";
import { authjs } from "../authjs.mjs";
import { engine, run } from "../protocol.mjs";
import { auth, prisma } from "./client.mjs";

// What `prisma migrate` would do: its engine is not among the packages.
async function create() {
  const migration = readFileSync(new URL(`prisma/migrations/${engine}.sql`, import.meta.url), "utf8");
  for (const statement of migration.split(/;\n/).filter((text) => text.trim())) {
    await prisma.$executeRawUnsafe(statement);
  }
}

await run({
  packages: ["prisma", "@prisma/client", "@auth/prisma-adapter", "@auth/core", "pg", "mariadb", "better-sqlite3"],
  create,
  ...authjs(auth),
  close: () => prisma.$disconnect(),
});
