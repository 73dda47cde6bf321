"""Parsers that say what is wrong in one line, and of which only the command that is given loads its options."""

from __future__ import annotations

import argparse
import importlib
import re
from typing import Any, NoReturn

from mibench.interface import InputError
from mibench.registry import nearest


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, with the nearest option."""

    def error(self, message: str) -> NoReturn:
        message = message.removeprefix("argument ")
        if unknown := re.match(r"unrecognized arguments: (\S+)", message):
            message = self._unknown(unknown[1])
        elif choice := re.match(r"(\S+): invalid choice: '(.*?)' \(choose from (.*)\)", message):
            accepted = re.findall(r"[\w-]+", choice[3])
            message = (
                f"{choice[1]}: unknown {choice[2]!r}{nearest(choice[2], accepted)}; accepted: {', '.join(accepted)}"
            )
        elif missing := re.match(r"the following arguments are required: (.*)", message):
            choices = [a.choices for a in self._actions if a.choices and (a.metavar or a.dest) == missing[1]]
            hint = f"; give {', '.join(choices[0])}" if choices else ""
            message = f"argument {missing[1]} is missing{hint}"
        raise InputError(f"{message}; see `{self.prog} --help`")

    def _unknown(self, word: str) -> str:
        if not word.startswith("-"):
            return f"unknown argument {word}"
        options = [option for action in self._actions for option in action.option_strings]
        return f"unknown option {word}{nearest(word, options)}"


class CommandParser(Parser):
    """The parser of one command; the command's module adds the options when the command is given."""

    module: str

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        command = importlib.import_module(self.module)
        command.add_options(self)
        self.set_defaults(main=command.main)
        found, rest = super().parse_known_args(args, namespace)
        if rest:  # reported here, where the nearest option is known, and not by the parser of all commands
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest
