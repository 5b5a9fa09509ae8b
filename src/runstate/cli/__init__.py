"""
The ``runstate`` command.

Exit status 0: nothing wrong. 1: findings of severity error. 2: something could not be
done or read, said in one line that names the place. 130: interrupted. Never a traceback.
"""

import sys
from io import TextIOWrapper
from typing import NoReturn

import click

from .._text import printable
from .._urls import without_secrets
from ..errors import RunstateError
from ._check import check
from ._convert import convert
from ._dashboard import dashboard
from ._demo import demo
from ._draw import draw
from ._init import init
from ._interrupt import STATUS, Interrupted, InterruptibleGroup, interruptible
from ._project import project_defaults
from ._prune import prune
from ._report import report
from ._tables import lifecycles, sql

__all__ = ["main"]


def main() -> NoReturn:
    """
    Run the command and exit; the entry point of the package.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        # What the encoding of the output lacks is escaped, which is no reason to fail.
        sys.stdout.reconfigure(errors="backslashreplace")
    with interruptible():
        status = _ran()
    sys.exit(_flushed(status))


def _ran() -> int:
    """
    Run the command that the arguments name, and return its exit status.
    """
    try:
        status = command.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as asked:
        click.echo(asked.format_message())
        status = 2
    except Interrupted as error:
        _complain(error.message)
        status = error.exit_code
    except click.ClickException as error:
        _complain(error.format_message())
        status = 2
    except (RunstateError, OSError) as error:
        _complain(_reason(error))
        status = 2
    except (KeyboardInterrupt, click.Abort):
        status = STATUS

    return status if isinstance(status, int) else 0


def _flushed(status: int) -> int:
    """
    Write out what is left, and return *status*; 2 if it cannot be written.
    """
    if sys.stdout is None:
        return status
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python would try again at exit, and complain.
        sys.stdout = None
        # Whoever closed the pipe has had enough, which is no fault.
        return status if isinstance(error, BrokenPipeError) else 2

    return status


def _show_version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if not asked:
        return
    from importlib import metadata  # noqa: PLC0415  slow, and for this alone

    try:
        number = metadata.version("runstate")
    except metadata.PackageNotFoundError:
        number = "(not installed)"
    click.echo(f"runstate {number}")
    context.exit()


@click.group(cls=InterruptibleGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
@click.pass_context
def command(context: click.Context) -> None:
    """
    What a run's status may become: check histories, draw lifecycles.

    \b
    Examples:
      runstate check runs.jsonl                 was every run possible?
      runstate check polls.csv --observed polled
      runstate draw run -o run.svg              the machine as a picture
      runstate report runs.jsonl                what was observed, as one page
      runstate init events.csv -o job.toml      a draft of your own lifecycle
      runstate lifecycles run                   the machine as a table
      runstate sql --dialect postgresql         the machine as constraints and triggers
      runstate prune sqlite:///runs.db --older-than 30
      runstate demo                             see all of it at work
    """
    context.default_map = project_defaults(command.commands)


for _each in (check, convert, dashboard, draw, init, report, lifecycles, sql, prune, demo):
    command.add_command(_each)


def _complain(message: str) -> None:
    # Whatever a message quotes of the command line, the secrets in it stay out.
    message = without_secrets(message, *sys.argv[1:])
    click.echo(f"runstate: {printable(message, 2_000)}", err=True)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror

    return str(error) or type(error).__name__
