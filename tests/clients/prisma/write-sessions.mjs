// node write-sessions.mjs EXPIRED LIVE
//
// Writes a user with that many expired and live sessions and two on the boundary: one that ends at this very
// millisecond, and one that never ends in practice. Prints {"expired": n, "live": n} as they are afterwards.
import { auth, prisma } from "./client.mjs";

const [expired, live] = process.argv.slice(2).map(Number);
const now = Date.now();
const minute = 60_000;
// PostgreSQL takes 32,767 parameters in one statement.
const chunk = 5_000;

const user = await auth.createUser({ email: `ada-${now}@example.com`, emailVerified: new Date(now) });

async function write(name, count, expiry) {
  for (let start = 0; start < count; start += chunk) {
    const length = Math.min(chunk, count - start);
    const data = Array.from({ length }, (_, i) => ({
      sessionToken: `${name}-${now}-${start + i}`,
      userId: user.id,
      expires: new Date(expiry(start + i)),
    }));
    await prisma.session.createMany({ data });
  }
}

await write("expired", expired, (i) => now - minute - i);
await write("live", live, (i) => now + 60 * minute + i);

// As a sign-in does it.
const signIn = (name, expires) =>
  auth.createSession({ sessionToken: `${name}-${now}`, userId: user.id, expires: new Date(expires) });
await signIn("ends-now", now);
await signIn("far-future", "9999-12-31T23:59:59.999Z");

console.log(JSON.stringify({ expired: expired + 1, live: live + 1 }));
await prisma.$disconnect();
