// The application's database access, as Auth.js and Prisma document it.
import { PrismaAdapter } from "@auth/prisma-adapter";
import { PrismaPg } from "@prisma/adapter-pg";
import { PrismaClient } from "@prisma/client";

const connectionString = process.env.DATABASE_URL;
// With a driver adapter, `?schema=` of the URL has to be handed on by the application.
const schema = new URL(connectionString).searchParams.get("schema") ?? undefined;

export const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString }, { schema }) });
export const auth = PrismaAdapter(prisma);
