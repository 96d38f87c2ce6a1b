import { promisify } from "node:util";
import connectPgSimple from "connect-pg-simple";
import session from "express-session";
import pg from "pg";
import { run, url } from "../protocol.mjs";

const pool = new pg.Pool({ connectionString: url.href });
const Store = connectPgSimple(session);
const store = new Store({ pool, createTableIfMissing: true, pruneSessionInterval: false });
const [get, set] = [store.get, store.set].map((method) => promisify(method.bind(store)));

await run({
  packages: ["connect-pg-simple", "express-session", "pg"],
  // It creates its table when it is first asked for something.
  create: () => get("nobody"),
  write: (token, expires) => set(token, { cookie: { expires } }),
  accepts: async (token) => Boolean(await get(token)),
  close: () => pool.end(),
});
