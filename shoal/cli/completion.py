"""``shoal completion``: what a shell has to read so that Tab completes commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

#: Names the variable by which the shell's script asks this program what may come next.
VARIABLE = "_SHOAL_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash:  echo 'eval "$(shoal completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(shoal completion zsh)"' >> ~/.zshrc
    fish:  shoal completion fish > ~/.config/fish/completions/shoal.fish
    """  # noqa: D301 - the backspace is click's mark for lines that stay as they are
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"click can't complete in {shell}: install a newer click")
    click.echo(made(context.find_root().command, {}, "shoal", VARIABLE).source(), nl=False)
