import { Command } from "commander";

/** A command line, and what it is for; the purpose may be left empty. */
export type Example = readonly [commandLine: string, purpose: string];

/**
 * A command whose `--help` and manual page are made of the same parts: commander's own (summary, description, arguments, options), and
 * these. See src/cli/manual for the page.
 */
export class DocumentedCommand extends Command {
  /** Completes it from its own file, which is loaded then. */
  complete: () => Promise<void> = () => Promise.resolve();
  readonly exampleLines: Example[] = [];
  readonly manualParagraphs: string[] = [];
  readonly references: string[] = [];

  constructor(name?: string) {
    super(name);
    this.hook("preSubcommand", async (_, command) => {
      if (command instanceof DocumentedCommand) await command.complete();
    });
  }

  override createCommand(name?: string): DocumentedCommand {
    return new DocumentedCommand(name);
  }

  /** Says what each argument is, by name. */
  explainArguments(help: Readonly<Record<string, string>>): this {
    for (const argument of this.registeredArguments) argument.description = help[argument.name()] ?? "";
    return this;
  }

  /** What help and manual page show of its use. */
  examples(...lines: Example[]): this {
    this.exampleLines.push(...lines);
    const width = Math.max(...lines.map(([commandLine]) => commandLine.length));
    const shown = lines.map(([commandLine, purpose]) => `  $ ${commandLine.padEnd(width)}  ${purpose}`.trimEnd());
    return this.addHelpText("after", `\nExamples:\n${shown.join("\n")}`);
  }

  /** Paragraphs that only the manual page has, after the description. */
  moreInManual(...paragraphs: string[]): this {
    this.manualParagraphs.push(...paragraphs);
    return this;
  }

  /** Other manual pages to read, such as "skopeo(1)"; Mica's own of the same kind are named by themselves. */
  seeAlso(...pages: string[]): this {
    this.references.push(...pages);
    return this;
  }
}
