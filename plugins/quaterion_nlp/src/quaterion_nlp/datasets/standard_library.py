"""Summaries of the public objects of the standard library; a separate program.

Run in a fresh interpreter, it prints ``{qualified name: summary}`` as JSON. The interpreter must be
fresh, as libraries replace functions of the standard library (torch ``inspect.getfile``, Lightning
``warnings.formatwarning``) and add methods to its classes (transformers to ``logging.Logger``), so
that the result would depend on what was imported before.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

_MODULES: Final = """
    abc argparse array ast asyncio atexit base64 bdb binascii bisect builtins bz2 calendar cmath
    cmd code codecs codeop collections collections.abc colorsys compileall concurrent.futures
    configparser contextlib contextvars copy copyreg csv ctypes ctypes.util dataclasses datetime
    dbm decimal difflib dis doctest email email.charset email.contentmanager email.encoders
    email.generator email.header email.message email.mime.base email.mime.text email.parser
    email.policy email.utils encodings enum errno faulthandler filecmp fileinput fnmatch
    fractions ftplib functools gc getopt getpass gettext glob graphlib gzip hashlib heapq hmac
    html html.entities html.parser http http.client http.cookiejar http.cookies http.server
    imaplib importlib importlib.abc importlib.machinery importlib.metadata importlib.resources
    importlib.util inspect io ipaddress itertools json keyword linecache locale logging
    logging.config logging.handlers lzma mailbox marshal math mimetypes mmap modulefinder
    multiprocessing multiprocessing.connection multiprocessing.managers multiprocessing.pool
    multiprocessing.shared_memory netrc numbers operator optparse os os.path pathlib pickle
    pickletools pkgutil platform plistlib poplib pprint profile pstats py_compile pyclbr pydoc
    queue quopri random re reprlib runpy sched secrets select selectors shelve shlex shutil
    signal smtplib socket socketserver sqlite3 ssl stat statistics string stringprep struct
    subprocess symtable sys sysconfig tabnanny tarfile tempfile textwrap threading time timeit
    token tokenize tomllib trace traceback tracemalloc types typing unicodedata unittest
    unittest.mock urllib.error urllib.parse urllib.request urllib.response urllib.robotparser
    uuid warnings wave weakref webbrowser wsgiref.handlers wsgiref.headers wsgiref.simple_server
    wsgiref.util wsgiref.validate xml.dom xml.dom.minidom xml.dom.pulldom xml.etree.ElementTree
    xml.sax xml.sax.handler xml.sax.saxutils xml.sax.xmlreader xmlrpc.client xmlrpc.server
    zipapp zipfile zipimport zlib zoneinfo
"""
"""The documented modules that exist on every platform and have no side effects on import."""

_CALL: Final = re.compile(
    r"""
    (?: async \s )? [\w.*]+ \( (?: [^()] | \([^()]*\) )* \)  # open(file, mode='r')
    (?: \s* -{1,2}> \s* | \s* [-–:]+ \s | \s* (?=\n|$) )?    # ->, or -- before the description
    """,
    re.VERBOSE,
)
_ARGUMENTS: Final = re.compile(r"[a-z\[(][^.\n]{0,60}?-{1,2}>\s*")
_RETURNED: Final = re.compile(r"\w+\s*(?:--|[.,:;])\s+")
_SENTENCE_END: Final = re.compile(
    r"""(?<!e\.g) (?<!i\.e) (?<!etc) [.!?] (?= \s+ [A-Z"'(`] | \s* $ )""", re.VERBOSE
)
_ASSIGNMENT: Final = re.compile(r"[\w, -]+=")
_WORD: Final = re.compile(r"[A-Za-z]{2,}")
_LONGEST: Final = 300


def public_objects() -> dict[str, Any]:
    """Find the public functions, classes and methods of the standard library.

    Returns:
        The objects by qualified name (``"shutil.rmtree"``, ``"str.split"``), sorted. An object with
        several names is listed once, if possible under its original name, and a method only in the
        class that defines it.
    """
    best: dict[int, tuple[tuple[bool, bool, int, str], Any]] = {}
    for module_name in _MODULES.split():
        for name, value, is_imported in _members(module_name):
            found = getattr(value, "__func__", value)
            is_renamed = name.rpartition(".")[2] != getattr(found, "__name__", None)
            rank = (is_imported, is_renamed, name.count("."), name)
            if id(found) not in best or rank < best[id(found)][0]:
                best[id(found)] = rank, found
    return dict(sorted((name, found) for (*_, name), found in best.values()))


def _members(module_name: str) -> Iterator[tuple[str, Any, bool]]:
    """Yield (qualified name, object, whether another module defines it) for a module's members."""
    try:
        module = importlib.import_module(module_name)
    except ImportError:  # not part of this build or version of Python
        return
    prefix = "" if module_name == "builtins" else f"{module_name}."
    for name in _public_names(module):
        value = getattr(module, name, None)
        if not (inspect.isclass(value) or inspect.isroutine(value)):
            continue
        is_imported = prefix != "" and getattr(value, "__module__", None) != module_name
        yield prefix + name, value, is_imported
        if inspect.isclass(value):
            for attribute, member in sorted(vars(value).items()):
                if not attribute.startswith("_") and inspect.isroutine(member):
                    yield f"{prefix}{name}.{attribute}", member, is_imported


def _public_names(module: ModuleType) -> list[str]:
    names = getattr(module, "__all__", None) or vars(module)
    return sorted(name for name in names if not name.startswith("_"))


def summaries() -> dict[str, str]:
    """Return the summaries of all public objects that have one, by qualified name, sorted."""
    return {
        name: text
        for name, found in public_objects().items()
        if (text := summary(getattr(found, "__doc__", None), name.rpartition(".")[2])) is not None
    }


def summary(docstring: object, name: str) -> str | None:
    r"""Return the first sentence of a docstring, without the signature that it may begin with.

    Args:
        docstring: The ``__doc__`` of an object, which need not be a string.
        name: The last part of the object's qualified name.

    Returns:
        One line of text, or ``None`` if the docstring has no sentence or too long a one.

    Example:
        >>> summary("hypot(*coordinates) -> value\n\nMultidimensional distance.", "hypot")
        'Multidimensional distance.'
        >>> summary("D.keys() -> a set-like object providing a view on D's keys", "keys")
        "a set-like object providing a view on D's keys"
        >>> summary("Point(x, y)", "Point")
    """
    if not isinstance(docstring, str):
        return None
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(docstring)):
        text = " ".join(_without_signature(paragraph.strip()).split())
        text = re.sub(rf"\A{re.escape(name)}(?::| --?) ", "", text)
        if not text or text[0] in "([<>=" or _ASSIGNMENT.match(text):
            continue
        end = _SENTENCE_END.search(text)
        sentence = text[: end.end()] if end else text
        is_sentence = len(_WORD.findall(sentence)) >= 2 and len(sentence) <= _LONGEST
        return sentence if is_sentence else None
    return None


def _without_signature(text: str) -> str:
    """Remove calls at the start of a paragraph, and the types that they return."""
    while match := _CALL.match(text) or _ARGUMENTS.match(text):
        text = text[match.end() :]
        if match[0].rstrip().endswith(">"):
            line, _, rest = text.partition("\n")
            if returned := _RETURNED.match(text):
                text = text[returned.end() :]
            elif len(line.split()) < 4:  # only the return type, no description
                text = rest
        text = text.lstrip()
    return text


if __name__ == "__main__":
    json.dump(summaries(), sys.stdout)
