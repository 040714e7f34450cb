// gantry token, join-code: who and what may come in.

import { ROLES } from "@gantry/shared/contract/roles.ts";
import { badUsage, intOption, textOption } from "../args.ts";
import { type Command, type Context, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import { renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";
import { formatTime } from "../render/units.ts";

const DAY_S = 86_400;

export const token: Command = async (context) => {
  switch (context.words[0]) {
    case "list":
      return await list(context);
    case "create":
      return await create(context);
    case "revoke":
      return await revoke(context);
    case undefined:
    default:
      throw badUsage(context.name, context.spec, "Say list, create or revoke");
  }
};

async function list(context: Context): Promise<void> {
  const reply = await openClient(context).tokens({ signal: context.world.signal });
  show(context, reply, (look) =>
    renderTable(
      look,
      [
        { title: "ID", value: (row) => row.id },
        { title: "PERSON", value: (row) => row.person },
        { title: "ROLE", value: (row) => row.role },
        { title: "STATE", value: (row) => (row.revoked ? "revoked" : "valid") },
        {
          title: "EXPIRES",
          value: ({ expiresAt }) => (expiresAt ? formatTime(expiresAt) : "never"),
        },
      ],
      reply.tokens,
      "There are no tokens.",
    ),
  );
}

async function create(context: Context): Promise<void> {
  const person = wordAt(context, 1, "The person's name");
  const wanted = textOption(context.options, "role") ?? "viewer";
  const role = ROLES.find((one) => one === wanted);
  if (role === undefined) {
    throw badUsage(context.name, context.spec, `--role takes ${ROLES.join(", ")}`);
  }
  const days = intOption(context.options, "days", { min: 1, max: 3_650 });
  const body = { person, role, ...(days === undefined ? {} : { expiresInS: days * DAY_S }) };
  const client = openClient(context);
  const made = await client.tokenMade({ body, signal: context.world.signal });
  // The token alone on stdout, so that it can go into a file; the words beside it.
  show(context, made, () => cleanLine(made.token));
  if (!context.isJson) {
    context.world.stderr.write(
      cleanLine(`${made.id} for ${made.person} as ${made.role}. It is shown this once.`).concat(
        "\n",
      ),
    );
  }
}

async function revoke(context: Context): Promise<void> {
  const id = wordAt(context, 1, "The token's id");
  const reply = await openClient(context).tokenRevoked({ id, signal: context.world.signal });
  show(context, reply, () => `${cleanLine(id)} is revoked`);
}

export const joinCode: Command = async (context) => {
  const name = wordAt(context, 0, "The machine's name");
  const client = openClient(context);
  const made = await client.joinCodeMade({ body: { name }, signal: context.world.signal });
  show(context, made, () => cleanLine(made.code));
  if (!context.isJson) {
    const where = made.hub === undefined ? "" : `, with ${made.hub} among its GANTRY_HUBS`;
    const line = `For ${made.name}, once, until ${formatTime(made.expiresAt)} UTC: GANTRY_JOIN_CODE${where}`;
    context.world.stderr.write(`${cleanLine(line)}\n`);
  }
};
