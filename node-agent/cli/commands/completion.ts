// gantry completion: scripts for bash, zsh and fish, made from the catalogue.

import { badUsage } from "../args.ts";
import { COMMANDS, type CommandSpec, GLOBAL_OPTIONS, type OptionSpec } from "../catalogue.ts";
import { type Command, show } from "../context.ts";

export const completion: Command = async (context) => {
  const [shell = ""] = context.words;
  const make = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
  if (make === undefined) throw badUsage(context.name, context.spec, "Say bash, zsh or fish");
  const script = make();
  show(context, { shell, script }, () => script);
};

const SCRIPTS: Readonly<Record<string, () => string>> = { bash, zsh, fish };

const optionsOf = (spec: CommandSpec): Readonly<Record<string, OptionSpec>> => ({
  ...spec.options,
  ...GLOBAL_OPTIONS,
});
const names = (): string[] => Object.keys(COMMANDS);

/** What completes inside each command: its words and its options. */
const cases = (): string =>
  Object.entries(COMMANDS)
    .map(([name, spec]) => {
      const words = name === "help" ? names() : (spec.words ?? []);
      const options = Object.keys(optionsOf(spec)).map((option) => `--${option}`);
      return `    ${name}) words="${[...words, ...options].join(" ")}" ;;`;
    })
    .join("\n");

function bash(): string {
  return `# gantry completion bash >> ~/.bashrc, or: source <(gantry completion bash)
_gantry() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${names().join(" ")}" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases()}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _gantry gantry`;
}

function zsh(): string {
  const described = Object.entries(COMMANDS)
    .map(([name, { summary }]) => `    '${name}:${summary.replaceAll("'", "'\\''")}'`)
    .join("\n");
  return `#compdef gantry
# gantry completion zsh > "\${fpath[1]}/_gantry"
_gantry() {
  local -a commands
  local words_text=""
  commands=(
${described}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case "\${words[2]}" in
${cases().replaceAll('words="', 'words_text="')}
  esac
  compadd -- \${=words_text}
  _files
}
compdef _gantry gantry`;
}

const quote = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

function fish(): string {
  const lines = Object.entries(COMMANDS).flatMap(([name, spec]) => {
    const inside = `-n '__fish_seen_subcommand_from ${name}'`;
    const words = (spec.words ?? []).map((word) => `complete -c gantry ${inside} -a ${word}`);
    const options = Object.entries(optionsOf(spec)).map(
      ([option, { value, help }]) =>
        `complete -c gantry ${inside} -l ${option}${value === undefined ? "" : " -r"} -d ${quote(help)}`,
    );
    const first = `complete -c gantry -n __fish_use_subcommand -a ${name} -d ${quote(spec.summary)}`;
    return [first, ...words, ...options];
  });
  return ["# gantry completion fish > ~/.config/fish/completions/gantry.fish", ...lines].join("\n");
}
