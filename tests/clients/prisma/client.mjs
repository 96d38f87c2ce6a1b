// The application's database access, as Auth.js and Prisma document it.
import { PrismaAdapter } from "@auth/prisma-adapter";
import { PrismaBetterSqlite3 } from "@prisma/adapter-better-sqlite3";
import { PrismaMariaDb } from "@prisma/adapter-mariadb";
import { PrismaPg } from "@prisma/adapter-pg";

const connectionString = process.env.DATABASE_URL;
const url = new URL(connectionString);
// With a driver adapter, `?schema=` of the URL has to be handed on by the application.
const schema = url.searchParams.get("schema") ?? undefined;
// "iso8601" is the default; "unixepoch-ms" is what Prisma wrote before version 7.
const timestampFormat = process.env.TIMESTAMP_FORMAT;

const adapters = {
  postgresql: () => new PrismaPg({ connectionString }, { schema }),
  mysql: () => new PrismaMariaDb(connectionString.replace("mysql:", "mariadb:")),
  sqlite: () => new PrismaBetterSqlite3({ url: `file:${url.pathname}` }, { timestampFormat }),
};

const engine = url.protocol.slice(0, -1);
const { PrismaClient } = await import(`./generated/${engine}/index.js`);
export const prisma = new PrismaClient({ adapter: adapters[engine]() });
export const auth = PrismaAdapter(prisma);
