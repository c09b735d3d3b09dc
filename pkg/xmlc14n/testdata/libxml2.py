#!/usr/bin/env python3
"""Canonicalizes with libxml2, as a judge of this package's tests. It calls the library of xmllint.

Standard input has requests, one after another: a line with six numbers, a prefix list and a document. The numbers are the
method (0 Canonical XML 1.0, 1 exclusive, 2 Canonical XML 1.1), comments (0 or 1), the place of the element to canonicalize in
document order (0 for the whole document), whether to leave out signatures (0 or 1), and the lengths of prefix list and
document. The answer to each is a line with the length of the canonical form, or -1 if libxml2 refuses, and the canonical form.
"""
import ctypes
import ctypes.util
import sys

lib = ctypes.CDLL("libxml2.so.2")
P = ctypes.c_void_p
for name, result, args in [
    ("xmlReadMemory", P, [ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int]),
    ("xmlFreeDoc", None, [P]),
    ("xmlXPathNewContext", P, [P]),
    ("xmlXPathFreeContext", None, [P]),
    ("xmlXPathRegisterNs", ctypes.c_int, [P, ctypes.c_char_p, ctypes.c_char_p]),
    ("xmlXPathEvalExpression", P, [ctypes.c_char_p, P]),
    ("xmlXPathFreeObject", None, [P]),
    ("xmlC14NDocDumpMemory", ctypes.c_int, [P, P, ctypes.c_int, P, ctypes.c_int, ctypes.POINTER(P)]),
]:
    f = getattr(lib, name)
    f.restype, f.argtypes = result, args
ERRORS = ctypes.CFUNCTYPE(None, P, P)(lambda ctx, error: None)
lib.xmlSetStructuredErrorFunc(None, ERRORS)
free = ctypes.CFUNCTYPE(None, P).in_dll(lib, "xmlFree")

NOERROR, NOWARNING, NONET, HUGE = 32, 64, 2048, 1 << 19


class XPathObject(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("nodeset", P)]


def expression(place, omit):
    """The XPath expression for the nodes to canonicalize, None for the whole document."""
    if place:
        top = b"(//*)[%d]/descendant-or-self::" % place
        return top + b"node() | " + top + b"*/@* | " + top + b"*/namespace::*"
    return b"(//. | //@* | //namespace::*)[not(ancestor-or-self::ds:Signature)]" if omit else None


def canonicalize(method, comments, xpath, prefixes, document):
    doc = lib.xmlReadMemory(document, len(document), None, None, NOERROR | NOWARNING | NONET | HUGE)
    if not doc:
        return None
    ctx = found = nodes = None
    try:
        if xpath:
            ctx = lib.xmlXPathNewContext(doc)
            lib.xmlXPathRegisterNs(ctx, b"ds", b"http://www.w3.org/2000/09/xmldsig#")
            found = lib.xmlXPathEvalExpression(xpath, ctx)
            nodes = ctypes.cast(found, ctypes.POINTER(XPathObject)).contents.nodeset
        names = prefixes.split()
        listed = ctypes.cast((ctypes.c_char_p * (len(names) + 1))(*names, None), P) if names else None
        out = P()
        n = lib.xmlC14NDocDumpMemory(doc, nodes, method, listed, comments, ctypes.byref(out))
        if n < 0:
            return None
        text = ctypes.string_at(out, n)
        free(out)
        return text
    finally:
        if found:
            lib.xmlXPathFreeObject(found)
        if ctx:
            lib.xmlXPathFreeContext(ctx)
        lib.xmlFreeDoc(doc)


def main():
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    while line := stdin.readline():
        method, comments, place, omit, *lengths = map(int, line.split())
        prefixes, document = (stdin.read(n) for n in lengths)
        out = canonicalize(method, comments, expression(place, omit), prefixes, document)
        stdout.write(b"-1\n" if out is None else b"%d\n" % len(out) + out)
        stdout.flush()


main()
