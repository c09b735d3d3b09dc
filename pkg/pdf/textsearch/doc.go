// Package textsearch finds where a word stands on the pages of a PDF document.
//
// Find draws the pages' content streams, in their order, without paint: it follows the graphics and
// text state through form XObjects (ISO 32000-2 8.4, 8.10, 9.4) and notes where every character
// stands and which one it is, by ToUnicode, by the encoding of a simple font, or by the Unicode
// CMap of a composite one (9.6, 9.7, 9.10). The characters of a page are then laid into lines as
// its reader sees them, so that it does not matter how many operators showed a word or in which
// order. Annotations are not searched.
//
// The document is not trusted: pages, operators, characters, bytes, nesting and time spent on fonts
// are bounded (limits.go). A part of a page that is damaged is left out, as readers do it; only an
// unreadable page tree, a limit or a failing disk ends a search with an error.
package textsearch
