import expressMySqlSession from "express-mysql-session";
import session from "express-session";
import { run, url } from "../protocol.mjs";

const Store = expressMySqlSession(session);
const { hostname: host, port, username: user, password } = url;
const database = url.pathname.slice(1);
const store = new Store({ host, port, user, password, database, clearExpired: false });
await store.onReady();

await run({
  packages: ["express-mysql-session", "express-session"],
  // It has created its table by now.
  create() {},
  async write(token, expires) {
    await store.set(token, { cookie: { expires } });
  },
  accepts: async (token) => Boolean(await store.get(token)),
  close: () => store.close(),
});
