// gantry help: made from the catalogue.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { usageOf } from "../args.ts";
import { COMMANDS, type CommandSpec, GLOBAL_OPTIONS, type OptionSpec } from "../catalogue.ts";
import { type Command, show } from "../context.ts";
import { type Look, paint } from "../render/look.ts";

export const help: Command = async (context) => {
  const [name] = context.words;
  if (name === undefined) {
    const commands = Object.fromEntries(
      Object.entries(COMMANDS).map(([key, spec]) => [key, spec.summary]),
    );
    show(context, { commands }, overview);
    return;
  }
  const spec = COMMANDS[name];
  if (spec === undefined) throw new GantryError("not_found", `There is no command "${name}"`);
  const { summary, usage, options = {} } = spec;
  show(context, { name, summary, usage, options }, (look) => page(look, name, spec));
};

function overview(look: Look): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const lines = Object.entries(COMMANDS).map(
    ([name, { summary }]) => `  ${paint(look, "bold", name.padEnd(width))}  ${summary}`,
  );
  return [
    "gantry COMMAND [WORDS] [OPTIONS]",
    "",
    ...lines,
    "",
    ...optionLines(look, GLOBAL_OPTIONS),
    "",
    "gantry help COMMAND explains one.",
  ].join("\n");
}

const page = (look: Look, name: string, spec: CommandSpec): string =>
  [
    usageOf(name, spec),
    `  ${spec.summary}`,
    "",
    ...optionLines(look, { ...spec.options, ...GLOBAL_OPTIONS }),
  ].join("\n");

function optionLines(look: Look, options: Readonly<Record<string, OptionSpec>>): string[] {
  const rows = Object.entries(options).map(([name, { value, help: text }]) => ({
    form: value === undefined ? `--${name}` : `--${name} ${value}`,
    text,
  }));
  const width = Math.max(...rows.map((row) => row.form.length));
  return rows.map(({ form, text }) => `  ${paint(look, "bold", form.padEnd(width))}  ${text}`);
}
