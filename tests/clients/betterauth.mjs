// Better Auth over any of its databases. What it accepts is asked of its own API.
import { betterAuth } from "better-auth";
import { makeSignature } from "better-auth/crypto";
import { rows } from "./protocol.mjs";

const secret = "a secret of the tests, which is long enough";
// It deletes what it finds expired: here that stays, because sweepd shall delete it.
const keep = { delete: { before: async () => false } };

export function options(database) {
  return {
    database,
    secret,
    baseURL: "http://localhost",
    session: { disableSessionRefresh: true },
    verification: { disableCleanup: true },
    databaseHooks: { session: keep },
    logger: { level: "error" },
    telemetry: { enabled: false },
  };
}

export async function open(options) {
  const auth = betterAuth(options);
  const { internalAdapter, authCookies } = await auth.$context;
  const cookie = authCookies.sessionToken.name;
  let user;
  const stores = {
    sessions: {
      async write(token, expiresAt) {
        user ??= await internalAdapter.createUser({ email: "ada@example.com", name: "Ada", emailVerified: true });
        await internalAdapter.createSession(user.id, false, { token, expiresAt }, true);
      },
      async accepts(token) {
        const value = encodeURIComponent(`${token}.${await makeSignature(token, secret)}`);
        return Boolean(await auth.api.getSession({ headers: new Headers({ cookie: `${cookie}=${value}` }) }));
      },
    },
    // A value that is asked for is used up, and so written again.
    tokens: {
      write: (identifier, expiresAt) => internalAdapter.createVerificationValue({ identifier, value: "x", expiresAt }).then(() => {}),
      async accepts(identifier) {
        const { expiresAt } = await internalAdapter.findVerificationValue(identifier);
        const accepted = Boolean(await internalAdapter.consumeVerificationValue(identifier));
        await this.write(identifier, expiresAt);
        return accepted;
      },
    },
  };
  return stores[rows];
}
